package web_test

import (
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"flow/internal/web"
)

// TestPagesInABrowser: each page shows what it is for, and no script, style or policy
// complains.
func TestPagesInABrowser(t *testing.T) {
	w := newWorld(t, web.Options{})
	failed, live, _ := demo(w)
	b := newBrowser(t, w.url)
	has := func(path, js string) {
		t.Helper()
		b.open(path)
		if b.eval(js) != "true" {
			t.Errorf("%s: not so: %s", path, js)
		}
	}
	has("/", `[...document.querySelectorAll(".flows tbody tr")].map(r => r.dataset.key).join() === "backup,broken,build-release,daily-orders,hello,mesh,sync-inventory"`)
	has("/", `document.querySelector('[data-key="broken"]').innerText.includes('did you mean "run"?')`)
	has("/", `document.querySelectorAll('[data-key="daily-orders"] .strip a').length === 23`)
	has("/?q=ORD", `document.querySelectorAll(".flows tbody tr").length === 1`)
	has("/workflows/daily-orders", `document.querySelectorAll(".graph [data-task]").length === 10 && document.querySelector(".source").innerText.includes("max_parallel")`)
	has("/workflows/broken", `document.querySelectorAll(".source .wrong").length === 2`)
	has("/workflows/hello", `document.querySelector(".empty").innerText.includes("flow run ")`)
	has("/runs?status=failed", `[...document.querySelectorAll(".list .state")].every(e => e.innerText === "failed")`)
	has("/runs?workflow=hello", `document.querySelector(".empty") !== null`)
	has("/schedules", `document.querySelectorAll(".fates tbody tr").length > 20 && document.querySelector(".fate.missed") !== null`)
	has("/runs/"+failed, `document.querySelector(".box.bad").innerText.includes("order_id is not unique") && document.querySelector(".box.bad").innerText.includes("so were skipped: report, publish, notify")`)
	has("/runs/"+failed, `document.querySelectorAll(".tasks tbody tr").length === 10 && document.querySelectorAll('[data-key="quality"] rect.failed').length === 3 && document.querySelectorAll(".tasks tr.critical").length > 4`)
	has("/runs/"+failed, `document.getElementById("icon").href.includes("icon-failed")`)
	has("/runs/"+failed+"?status=skipped", `document.querySelectorAll(".tasks tbody tr").length === 3`)
	has("/runs/"+failed+"/tasks/quality", `document.querySelectorAll("#lines .l").length === 8 && document.querySelector("#lines .b.f1").innerText === "FAILED" && document.querySelectorAll("#lines .err").length === 5`)
	has("/runs/"+failed+"/tasks/quality?search=UNIQUE", `document.querySelectorAll("#lines .l").length === 1 && document.querySelector("mark").innerText === "unique"`)
	has("/runs/"+failed+"/tasks/load?instance=3", `document.querySelectorAll("tr[data-key^=i]").length === 5 && document.querySelector("tr.current a").innerText === "3"`)
	has("/runs/"+live, `document.getElementById("cancel") !== null`)

	// A card of the graph leads to its task.
	b.open("/runs/" + failed)
	b.do(chromedp.Evaluate[chromedp.Void](`document.querySelector('[data-task="2"]').dispatchEvent(new MouseEvent("click", {bubbles: true}))`))
	b.until(`location.pathname.endsWith("/tasks/clean")`)

	// Keys.
	b.open("/runs")
	b.do(chromedp.KeyEvent("jj"))
	b.until(`[...document.querySelectorAll("tbody tr")].findIndex(r => r.classList.contains("at")) === 1`)
	b.do(chromedp.KeyEvent("k"), chromedp.KeyEvent(kb.Enter))
	b.until(`location.pathname.startsWith("/runs/0") && document.readyState === "complete"`)
	b.do(chromedp.KeyEvent("u"))
	b.until(`location.pathname.startsWith("/workflows/") && document.readyState === "complete"`)
	b.do(chromedp.KeyEvent("gw"))
	b.until(`location.pathname === "/" && document.documentElement.classList.contains("js")`)
	b.until(`document.readyState === "complete"`)
	b.do(chromedp.KeyEvent("?"))
	b.until(`document.getElementById("keys").open`)
	b.do(chromedp.KeyEvent(kb.Escape))
	b.until(`!document.getElementById("keys").open`)
	b.do(chromedp.KeyEvent("/"))
	b.until(`document.activeElement.name === "q"`)
	b.do(write(`[name="q"]`, "mesh"), chromedp.KeyEvent(kb.Enter))
	b.until(`location.search === "?q=mesh"`)

	// Light and dark, by the system and by choice, which stays.
	ground := `getComputedStyle(document.body).backgroundColor`
	b.light("dark")
	b.open("/")
	dark := b.eval(ground)
	b.do(chromedp.KeyEvent("d"))
	b.until(`document.documentElement.dataset.theme === "light"`)
	b.open("/runs")
	if light := b.eval(ground); light == dark {
		t.Errorf("light and dark are both %s", light)
	}
	b.light("light")

	// A phone: nothing is wider than it.
	b.do(chromedp.EmulateViewport(360, 740))
	for _, path := range []string{"/", "/workflows/daily-orders", "/workflows/daily-orders/start", "/runs", "/runs/" + failed, "/runs/" + failed + "/tasks/load", "/schedules"} {
		has(path, `document.documentElement.scrollWidth <= 360`)
	}
	// Everything that is pressed or written into has a name.
	has("/runs/"+failed, `[...document.querySelectorAll("a, button, input, select, textarea")].every(e => e.type === "hidden" || e.innerText?.trim() || e.getAttribute("aria-label") || e.labels?.length || e.querySelector("[aria-label], title"))`)
}

// TestLivePage: a page follows a run from its beginning to its end, without being loaded
// again.
func TestLivePage(t *testing.T) {
	w := newWorld(t, web.Options{})
	w.add("steps", "tasks:\n  a: { run: 'while [ ! -e \"$go\" ]; do sleep 0.05; done; echo a', inputs: { go: '${{ params.go }}' } }\n  b: { run: 'exit 3', needs: a }\n  c: { run: echo c, needs: b }\nparams: { go: { type: string } }\n")
	b := newBrowser(t, w.url)
	go1 := t.TempDir() + "/go"
	id := w.begin("steps", map[string]any{"go": go1})
	b.open("/runs/" + id)
	b.until(`document.querySelector('[data-key="a"] .state').innerText === "running"`)
	b.do(chromedp.Evaluate[chromedp.Void](`window.same = true`))
	touch(t, go1)
	b.until(`document.querySelector('[data-key="a"] .state').innerText === "succeeded" && document.querySelector('[data-key="b"] .state').innerText === "failed" && document.querySelector('[data-key="c"] .state').innerText === "skipped"`)
	b.until(`document.querySelector("h1 .state").innerText === "failed" && document.getElementById("icon").href.includes("icon-failed") && document.getElementById("retry") !== null`)
	b.until(`document.querySelector(".box.bad")?.innerText.includes("so were skipped: c")`)
	b.until(`document.querySelector('.graph .failed [class~="id"]')?.textContent === "b"`)
	if b.eval("window.same") != "true" {
		t.Error("the page was loaded again")
	}
	// Nothing more is asked for once it is over.
	if live := b.eval(`"live" in document.getElementById("main").dataset`); live != "false" {
		t.Error("the page still waits")
	}
}

// TestStartInABrowser: a form made of the params; what is wrong stands beside its field;
// then it starts, and is cancelled and retried by buttons.
func TestStartInABrowser(t *testing.T) {
	w := newWorld(t, web.Options{})
	w.add("greet", `description: Says hello
params:
  name: { type: string, required: true, pattern: "[a-z]+", description: Who is greeted }
  times: { type: int, default: 3, min: 1, max: 5 }
  loud: { type: bool, default: false }
  tone: { type: string, enum: [warm, cold], default: warm }
  tags: { type: list, default: [a] }
  day: { type: date, default: "2026-02-03" }
  wait: { type: duration, default: 1s }
tasks:
  hello: { run: 'echo "hello $name $times $tone"; sleep 60', inputs: { name: "${{ params.name }}", times: "${{ params.times }}", tone: "${{ params.tone }}" } }
`)
	b := newBrowser(t, w.url)
	b.expect = "400 (Bad Request)" // the form with its errors
	b.open("/workflows/greet")
	b.do(press("main .button.primary"))
	b.until(`location.pathname.endsWith("/start") && document.querySelectorAll(".field").length === 9`)
	if got := b.eval(`[...document.querySelectorAll(".field label")].slice(0, 7).map(l => l.innerText).join()`); got != "name string, required,times int,loud bool,tone string,tags list,day date,wait duration" {
		t.Error(got)
	}
	b.do(write(`[name="p.name"]`, "Ada"), write(`[name="p.times"]`, "9"), write(`[name="p.tags"]`, "[1"), press(".start .primary"))
	b.until(`document.querySelectorAll(".field.wrong").length === 3`)
	if got := b.eval(`document.querySelector('[name="p.times"]').closest(".field").innerText`); !strings.Contains(got, "above the greatest, 5") {
		t.Errorf("beside its field: %s", got)
	}
	if got := b.eval(`document.querySelector('[name="p.name"]').value`); got != "Ada" {
		t.Errorf("what was written is lost: %q", got)
	}
	b.do(chromedp.Evaluate[chromedp.Void](`for (const e of document.querySelectorAll('[name^="p."]')) e.value = ""`),
		write(`[name="p.name"]`, "ada"), write(`[name="p.tone"]`, "cold"), press(".start .primary"))
	b.until(`location.pathname.startsWith("/runs/") && document.querySelector('[data-key="hello"] .state')?.innerText === "running"`)
	id := strings.TrimPrefix(b.eval("location.pathname"), "/runs/")
	if got := b.eval(`document.querySelector(".pairs").innerText`); !strings.Contains(got, "ada") || !strings.Contains(got, "cold") {
		t.Errorf("params: %s", got)
	}
	b.do(press("#cancel"))
	b.until(`document.querySelector("h1 .state").innerText === "cancelled"`)
	if s := w.wait(id); s.Status != "cancelled" {
		t.Errorf("the run is %s", s.Status)
	}
	b.until(`document.getElementById("retry") !== null`)
	b.do(press("#retry"))
	b.until(`location.pathname.startsWith("/runs/") && !location.pathname.endsWith("` + id + `") && document.querySelector("h1 .state")?.innerText === "running"`)
	if got := b.eval(`document.querySelector(".facts").innerText`); !strings.Contains(got, "retry of") {
		t.Error(got)
	}
}

// TestLogInABrowser: a log grows while one reads it, in colours, and can't break out.
func TestLogInABrowser(t *testing.T) {
	w := newWorld(t, web.Options{})
	dir := t.TempDir()
	w.add("talk", "params: { go: { type: string } }\ntasks:\n  a: { run: 'printf \"\\033[31mred\\033[0m <b>first</b>\\n\"; while [ ! -e \"$go\" ]; do sleep 0.05; done; echo second >&2; printf \"\\033[2Jthird\\n\"', inputs: { go: '${{ params.go }}' } }\n")
	id := w.begin("talk", map[string]any{"go": dir + "/go"})
	b := newBrowser(t, w.url)
	b.open("/runs/" + id + "/tasks/a")
	b.until(`document.querySelector("#lines .f1")?.innerText === "red" && document.querySelectorAll("#lines b").length === 0`)
	b.do(chromedp.Evaluate[chromedp.Void](`window.same = true`))
	touch(t, dir+"/go")
	b.until(`document.querySelectorAll("#lines .l").length === 3 && document.querySelector("#lines .err").innerText.includes("second")`)
	if got := b.eval(`document.getElementById("lines").textContent`); !strings.Contains(got, "\ufffdthird") {
		t.Errorf("a screen is cleared: %q", got)
	}
	b.until(`document.querySelector("h1 .state").innerText === "succeeded" && document.getElementById("logbox").dataset.ended === "yes"`)
	if b.eval("window.same") != "true" {
		t.Error("the page was loaded again")
	}
}

// TestFanInABrowser: the page of a task shows its instances once there are some.
func TestFanInABrowser(t *testing.T) {
	w := newWorld(t, web.Options{})
	dir := t.TempDir()
	w.add("fan", "params: { go: { type: string } }\ntasks:\n  a: { run: 'while [ ! -e \"$go\" ]; do sleep 0.05; done', inputs: { go: '${{ params.go }}' } }\n  b: { for_each: [1, 2, 3], run: 'test \"$x\" != 2', inputs: { x: '${{ item }}' }, needs: a }\n")
	id := w.begin("fan", map[string]any{"go": dir + "/go"})
	b := newBrowser(t, w.url)
	b.open("/runs/" + id + "/tasks/b")
	b.until(`document.querySelector("h1 .state").innerText === "pending"`)
	touch(t, dir+"/go")
	b.until(`document.querySelectorAll("tr[data-key^=i]").length === 3 && document.querySelector("h1 .state").innerText === "failed"`)
	b.open("/runs/" + id + "/tasks/b?only=failed")
	b.until(`document.querySelectorAll("tr[data-key^=i]").length === 1 && document.querySelectorAll(".chips a").length === 2`)
	b.do(press("tr[data-key=i1] a"))
	b.until(`location.search.includes("instance=1") && document.querySelector("tr.current .state").innerText === "failed"`)
}

// TestManyTasksInABrowser: a run of 2,000 tasks is read and drawn quickly, and stays small.
func TestManyTasksInABrowser(t *testing.T) {
	w := newWorld(t, web.Options{})
	var text strings.Builder
	text.WriteString("params: { go: { type: string } }\n")
	text.WriteString(strings.Replace(bigFlow(2000), "step-0000: { exec: [\"true\"]", "step-0000: { run: 'while [ ! -e \"$go\" ]; do sleep 0.05; done', inputs: { go: '${{ params.go }}' }", 1))
	plan := w.add("mesh", text.String())
	if plan == nil {
		t.Fatal(w.Workflows()[0].Broken)
	}
	dir := t.TempDir()
	id := w.begin("mesh", map[string]any{"go": dir + "/go"})
	b := newBrowser(t, w.url)
	b.open("/runs/" + id)
	b.until(`document.querySelectorAll(".tasks tbody tr").length === 100 && document.querySelectorAll(".layer").length === 25`)
	touch(t, dir+"/go")
	// While it goes on, the page is never busy for long.
	b.do(chromedp.Evaluate[chromedp.Void](`window.slowest = 0; new PerformanceObserver(l => { for (const e of l.getEntries()) window.slowest = Math.max(window.slowest, e.duration); }).observe({type: "longtask"})`))
	b.until(`document.querySelector("h1 .state").innerText === "succeeded" && document.querySelector('[data-swap="done"]').innerText === "2000 of 2000"`)
	slowest := b.eval("window.slowest")
	t.Logf("the longest that the page was busy: %s ms", slowest)
	if ms, err := time.ParseDuration(slowest + "ms"); err == nil && ms > time.Second {
		t.Errorf("the page was busy for %s", ms)
	}
	if n := b.eval(`document.querySelectorAll("*").length`); len(n) > 4 {
		t.Errorf("the page has %s elements", n)
	}
	b.do(press(`.pages [rel="next"]`))
	b.until(`location.search === "?page=2" && document.querySelector('[data-key="step-0100"]') !== null`)
	b.open("/runs/" + id)
	b.do(press(`.layer:nth-child(3)`))
	b.until(`location.search === "?layer=2" && document.querySelectorAll(".tasks tbody tr").length === 80`)
	if res, page := w.get("/runs/" + id); res.StatusCode != 200 || len(page) > 100_000 {
		t.Errorf("the page has %d bytes", len(page))
	}
}

// TestSignIn: with tokens, a browser is asked for one, and keeps a session.
func TestSignIn(t *testing.T) {
	w := newWorld(t, web.Options{Tokens: []web.Token{{Name: "ada", Hash: hash("full")}, {Name: "reader", Hash: hash("read"), ReadOnly: true}}})
	w.add("hello", "tasks:\n  a: { run: echo hello }\n")
	b := newBrowser(t, w.url)
	b.expect = "401 (Unauthorized)"
	b.open("/workflows/hello")
	b.until(`location.pathname === "/login"`)
	b.do(write("#token", "wrong"), press(".primary"))
	b.until(`document.querySelector(".error") !== null`)
	b.do(write("#token", "read"), press(".primary"))
	b.until(`location.pathname === "/workflows/hello" && document.querySelector("main .button.primary") === null`)
	if got := b.eval("document.cookie"); got != "" {
		t.Errorf("scripts see the session: %s", got)
	}
	b.do(press(".tools form button"))
	b.until(`location.pathname === "/login"`)
	b.do(write("#token", "full"), press(".primary"))
	b.until(`location.pathname === "/"`)
	b.open("/workflows/hello/start")
	b.do(press(".start .primary"))
	b.until(`location.pathname.startsWith("/runs/") && document.querySelector("h1 .state").innerText === "succeeded"`)
}
