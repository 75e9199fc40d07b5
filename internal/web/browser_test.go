package web_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	cdpruntime "github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"flow/internal/web"
)

// chromium returns where the browser is. A test without one is skipped, unless
// FLOW_TEST_BROWSER demands it.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("FLOW_TEST_BROWSER") != "" {
		t.Fatal("there is no chromium, and FLOW_TEST_BROWSER demands it: scripts/tools installs it")
	}
	t.Skip("there is no chromium")
	return ""
}

// browser is a browser of a test. What its pages complain of fails the test: an error of a
// script, what the content security policy refuses, a request that fails.
type browser struct {
	t   *testing.T
	ctx context.Context
	url string

	mu     sync.Mutex
	wrong  []string
	expect string // a complaint with this in it is none
}

func newBrowser(t *testing.T, url string) *browser {
	t.Helper()
	path := chromium(t)
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-dev-shm-usage", true), chromedp.WindowSize(1280, 900), chromedp.UserDataDir(t.TempDir()), chromedp.WSURLReadTimeout(time.Minute))
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), opts...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 3*time.Minute)
	t.Cleanup(cancel)
	b := &browser{t: t, ctx: ctx, url: url}
	if err := chromedp.Listen(ctx, func(e any) {
		b.mu.Lock()
		defer b.mu.Unlock()
		switch e := e.(type) {
		case *log.EventEntryAdded:
			if e.Entry.Level == log.EntryLevelError || strings.Contains(e.Entry.Text, "Content Security Policy") {
				b.wrong = append(b.wrong, e.Entry.Text+" "+e.Entry.URL)
			}
		case *cdpruntime.EventExceptionThrown:
			b.wrong = append(b.wrong, fmt.Sprintf("%s %+v", e.ExceptionDetails.Text, e.ExceptionDetails.Exception))
		case *cdpruntime.EventConsoleAPICalled:
			if e.Type == cdpruntime.ConsoleAPICalledTypeError || e.Type == cdpruntime.ConsoleAPICalledTypeWarning {
				b.wrong = append(b.wrong, fmt.Sprintf("console: %+v", e.Args))
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.clean)
	b.do(chromedp.Navigate("about:blank"))
	return b
}

// clean checks that the pages had nothing to complain of.
func (b *browser) clean() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, w := range b.wrong {
		if b.expect == "" || !strings.Contains(w, b.expect) {
			b.t.Errorf("the browser says: %s", w)
		}
	}
	b.wrong = nil
}

func (b *browser) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.t.Fatalf("%v\nat %s", err, b.eval(`location.href + "\n" + document.body.innerText.slice(0, 1500)`))
	}
}

// open shows a page of the site.
func (b *browser) open(path string) {
	b.t.Helper()
	b.do(chromedp.Navigate(b.url+path), chromedp.WaitReady("footer"))
}

// eval is an expression of the page, as text.
func (b *browser) eval(js string) string {
	b.t.Helper()
	text, err := chromedp.Run(b.ctx, chromedp.Evaluate[string]("String("+js+")"))
	if err != nil {
		b.t.Fatalf("%s: %v", js, err)
	}
	return text
}

// until waits until an expression of the page is true.
func (b *browser) until(js string) {
	b.t.Helper()
	tick := time.NewTicker(30 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(40 * time.Second); ; <-tick.C {
		// While one page becomes another there is none to ask.
		if text, err := chromedp.Run(b.ctx, chromedp.Evaluate[string]("String(document.readyState === 'complete' && !!("+js+"))")); err == nil && text == "true" {
			return
		}
		if time.Now().After(end) {
			b.t.Fatalf("it never came true: %s\nat %s", js, b.eval(`location.href + "\n" + document.body.innerText.slice(0, 3000)`))
		}
	}
}

// press clicks an element, write writes into a field: as a hand would, but never into a
// page that is just being replaced.
func press(selector string) chromedp.Action[chromedp.Void] {
	return chromedp.Evaluate[chromedp.Void](fmt.Sprintf("document.querySelector(%q).click()", selector))
}

func write(selector, text string) chromedp.Action[chromedp.Void] {
	return chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`{ const e = document.querySelector(%q); e.focus(); e.value = %q; e.dispatchEvent(new Event("input", {bubbles: true})); }`, selector, text))
}

// light chooses light or dark, as the reader's system would.
func (b *browser) light(scheme string) {
	b.t.Helper()
	if _, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}); err != nil {
		b.t.Fatal(err)
	}
}

// TestShots takes pictures of all pages, into the folder in FLOW_WEB_SHOTS.
func TestShots(t *testing.T) {
	dir := os.Getenv("FLOW_WEB_SHOTS")
	if dir == "" {
		t.Skip("FLOW_WEB_SHOTS=folder takes pictures of all pages")
	}
	w := newWorld(t, web.Options{Poll: 250 * time.Millisecond})
	failed, live, big := demo(w)
	b := newBrowser(t, w.url)
	only := os.Getenv("FLOW_WEB_SHOTS_ONLY")
	time.Sleep(3 * time.Second) // of a picture: that something has happened
	for _, p := range []struct{ name, path string }{
		{"workflows", "/"},
		{"workflow", "/workflows/daily-orders"},
		{"broken", "/workflows/broken"},
		{"start", "/workflows/daily-orders/start?p.limit=-5"},
		{"runs", "/runs"},
		{"run-failed", "/runs/" + failed},
		{"run-live", "/runs/" + live},
		{"run-big", "/runs/" + big},
		{"task-failed", "/runs/" + failed + "/tasks/quality"},
		{"task-live", "/runs/" + live + "/tasks/fetch?instance=1"},
		{"schedules", "/schedules"},
		{"error", "/runs/NONE"},
	} {
		if only != "" && !strings.Contains(p.name, only) {
			continue
		}
		b.expect = "404"
		for _, look := range []struct {
			name, scheme string
			width        int64
		}{{"light", "light", 1280}, {"dark", "dark", 1280}, {"phone", "light", 390}} {
			b.light(look.scheme)
			b.do(chromedp.EmulateViewport(look.width, 900), chromedp.Navigate(w.url+p.path), chromedp.WaitReady("footer"))
			png, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, p.name+"-"+look.name+".png"), png, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}
