// A stream of events, for as long as the page is seen: a browser has few connections, and
// a page that is in the back needs none. It goes on where it was.
export function stream(address, news, end) {
  let source = null, last = "", over = false;
  const open = () => {
    if (source || over || document.hidden) return;
    source = new EventSource(address(last));
    source.onmessage = (e) => { last = e.lastEventId || last; news(e); };
    source.addEventListener("status", news);
    source.addEventListener("end", (e) => { over = true; close(); end(e); });
  };
  const close = () => { source?.close(); source = null; };
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  window.addEventListener("pagehide", close);
  window.addEventListener("pageshow", open);
  open();
}
