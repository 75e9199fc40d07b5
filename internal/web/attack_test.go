package web_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"flow/dag"
	"flow/internal/cli"
	"flow/internal/web"
)

// TestTraversal: nothing that a request names leads out of what there is.
func TestTraversal(t *testing.T) {
	w := newWorld(t, web.Options{})
	w.add("hello", "tasks:\n  a: { run: echo hello }\n")
	id := w.begin("hello", nil)
	w.wait(id)
	secret := "the home's own"
	if err := os.WriteFile(w.home.Dir()+"/secret", []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	names := []string{
		"..", "%2e%2e", "..%2f..%2fsecret", "%2e%2e%2fsecret", "..%5c..%5csecret", "a%2f..%2f..%2f..%2fsecret", "a%00", "%00", "..%c0%af", "a.-.1", "a.-.1%2f..%2f..%2f..%2fsecret",
		strings.Repeat("a", 5000), "%25", "_", "last", id[len(id)-6:], id + "%2f..", strings.ToLower(id) + "x", "%F0%9F%92%A9", "a%0d%0aX-Evil:%201",
	}
	for _, name := range names {
		for _, path := range []string{
			"/api/v1/runs/" + name, "/api/v1/runs/" + name + "/logs", "/api/v1/runs/" + name + "/logs/a", "/api/v1/runs/" + name + "/events", "/api/v1/runs/" + name + "/timeline",
			"/api/v1/runs/" + id + "/logs/" + name, "/api/v1/runs/" + id + "/logs/" + name + "?format=text", "/api/v1/runs/" + id + "/logs/" + name + "?follow=1",
			"/api/v1/values/" + name, "/api/v1/values/sha256:" + name, "/api/v1/workflows/" + name, "/api/v1/runs?before=" + name,
			"/runs/" + name, "/runs/" + name + "/graph", "/runs/" + id + "/tasks/" + name, "/runs/" + id + "/tasks/" + name + "/follow", "/workflows/" + name, "/workflows/" + name + "/start", "/static/" + name, "/static/../web.go",
		} {
			res, text := w.get(path)
			if strings.Contains(text, secret) || res.StatusCode >= 500 || res.StatusCode == 200 || res.Header.Get("X-Evil") != "" {
				t.Errorf("%s: %d %.200s", path, res.StatusCode, text)
			}
		}
	}
	for _, q := range []string{"instance=-1", "instance=99999999999", "attempt=0", "attempt=-1", "attempt=1e9", "from=-1", "from=9999999999999999999", "before=x", "limit=-1", "limit=1000000000", "format=../x"} {
		if res, text := w.get("/api/v1/runs/" + id + "/logs/a?" + q); res.StatusCode != 400 {
			t.Errorf("%s: %d %.200s", q, res.StatusCode, text)
		}
	}
	if res, _ := w.get("/api/v1/runs/" + id + "/logs/a?from=4503599627370495"); res.StatusCode != 200 && res.StatusCode != 404 {
		t.Errorf("far behind the end: %d", res.StatusCode)
	}
}

// evil is text that means something in all that a page is made of.
const evil = `</title></script></pre></svg>--><script>window.pwned=1</script><img src=x onerror=window.pwned=1>"'` + "`" + `{{7}}<svg onload=window.pwned=1>` + "\u202e" + `javascript:window.pwned=1`

// TestMarkup: what a workflow, a task or a request says stays text, on every page.
func TestMarkup(t *testing.T) {
	w := newWorld(t, web.Options{})
	quoted := strings.ReplaceAll(evil, "'", "''")
	quoted = strings.ReplaceAll(quoted, "${{", "$ {{")
	plan := w.add("evil", "name: evil\ndescription: '"+quoted+"'\nowner: '"+quoted+"'\ntags: ['"+quoted+"']\nparams:\n  p: { type: string, default: '"+quoted+"', description: '"+quoted+"', enum: ['"+quoted+"', b] }\n"+
		"tasks:\n  bad: { exec: [x, '"+quoted+"'], description: '"+quoted+"' }\n  good: { exec: [y] }\n  fan: { for_each: ['"+quoted+"'], exec: [z] }\n  after: { exec: [q], needs: bad }\noutputs: { o: '${{ tasks.good.result }}' }\n")
	if plan == nil {
		t.Fatal(w.Workflows()[0].Broken)
	}
	w.add("evil-broken", "tasks:\n  '"+quoted+"': { exec: [x] }\n  b: { '"+quoted+"': 1 }\n")
	w.fates = []web.Fate{{Workflow: "evil", Trigger: evil, What: evil, Fate: "fired", Note: evil, At: time.Now(), Decided: time.Now()}}
	id := w.record(plan, past{at: time.Now().Add(-time.Minute), does: func(task string, _, _ int) (time.Duration, *dag.Failure, any) {
		if task == "bad" || task == "fan" {
			return time.Second, &dag.Failure{Reason: dag.ReasonError, Message: evil, Type: evil, Traceback: evil, ExitCode: -1}, nil
		}
		return time.Second, nil, evil
	}, prints: func(string, int, int) []string {
		return []string{evil, "!" + evil, "\x1b]8;;javascript:alert(1)\x07link\x1b]8;;\x07", "\x1b[31m" + evil + "\x1b[0m", "\x1b]0;" + evil + "\x07"}
	}})
	q := url.QueryEscape(evil)
	b := newBrowser(t, w.url)
	b.expect = "the server responded with a status of 4"
	for _, path := range []string{
		"/", "/?q=" + q, "/workflows/evil", "/workflows/evil-broken", "/workflows/evil/start", "/workflows/evil/start?p.p=" + q, "/runs", "/runs?workflow=" + q, "/runs?status=" + q,
		"/runs/" + id, "/runs/" + id + "?q=" + q, "/runs/" + id + "?status=" + q, "/runs/" + id + "?layer=" + q, "/runs/" + id + "/tasks/bad", "/runs/" + id + "/tasks/good", "/runs/" + id + "/tasks/fan?only=" + q, "/runs/" + id + "/tasks/bad?search=script&x=" + q, "/runs/" + id + "/tasks/bad?search=" + q,
		"/schedules", "/schedules?workflow=" + q, "/" + url.PathEscape(evil), "/login?to=" + q, "/runs/" + url.PathEscape(evil), "/workflows/" + url.PathEscape(evil),
	} {
		b.open(path)
		if got := b.eval(`[window.pwned, document.querySelectorAll("img, script:not([src]), [onload], [onerror], [style]").length, [...document.querySelectorAll("a[href], form[action]")].filter(e => /^javascript:/i.test(e.getAttribute("href") || e.getAttribute("action"))).length].join()`); got != ",0,0" {
			t.Errorf("%s: %s", path, got)
		}
		if got := b.eval(`document.querySelector("#main .log, #main .message")?.textContent.includes("\u202e") || false`); got != "false" {
			t.Errorf("%s: text is turned around", path)
		}
	}
	// What is no page is nothing that a browser would make one of.
	for _, path := range []string{"/api/v1/runs/" + id, "/api/v1/workflows/evil", "/api/v1/runs/" + id + "/logs/bad", "/api/v1/runs/" + id + "/logs/bad?format=text", "/api/v1/runs/" + id + "/events", "/runs/" + id + "/graph", "/api/v1/runs?status=" + q, "/metrics"} {
		res, _ := w.get(path)
		if kind := res.Header.Get("Content-Type"); strings.Contains(kind, "html") || res.Header.Get("X-Content-Type-Options") != "nosniff" || !strings.HasPrefix(res.Header.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%s: %v", path, res.Header)
		}
	}
}

// TestForgery: no page of another site can do anything, nor ask by another name.
func TestForgery(t *testing.T) {
	w := newWorld(t, web.Options{Hosts: []string{"flow.example.org"}})
	w.add("hello", "tasks:\n  a: { run: echo hello }\n")
	host := strings.TrimPrefix(w.url, "http://")
	_, port, _ := strings.Cut(host, ":")
	for _, c := range []struct {
		name string
		want int // 0: what the route says
		head []string
	}{
		{"another origin", 403, []string{"Origin", "http://evil.example"}},
		{"another scheme's", 403, []string{"Origin", "null"}},
		{"another port of this machine", 403, []string{"Origin", "http://127.0.0.1:1"}},
		{"a name that begins alike", 403, []string{"Origin", "http://" + host + ".evil.example"}},
		{"the browser says so", 403, []string{"Sec-Fetch-Site", "cross-site"}},
		{"a neighbour", 403, []string{"Sec-Fetch-Site", "same-site"}},
		{"DNS rebinding", 421, []string{"Host", "evil.example:" + port}},
		{"DNS rebinding, same origin", 421, []string{"Host", "evil.example", "Origin", "http://evil.example", "Sec-Fetch-Site", "same-origin"}},
		{"a name that ends alike", 421, []string{"Host", "localhost.evil.example"}},
		{"an address", 421, []string{"Host", "10.0.0.1:" + port}},
		{"the page itself", 0, []string{"Origin", w.url, "Sec-Fetch-Site", "same-origin"}},
		{"a program", 0, nil},
		{"by name", 0, []string{"Host", "localhost:" + port}},
		{"by its other name", 0, []string{"Host", "FLOW.example.org"}},
	} {
		for _, r := range []struct {
			path, body, kind string
			ok               int
		}{
			{"/api/v1/runs", `{"workflow":"hello"}`, "application/json", 201},
			{"/workflows/hello/start", "key=" + strconv.Itoa(len(c.name)), "application/x-www-form-urlencoded", 303},
		} {
			res, text := w.ask("POST", r.path, r.body, append([]string{"Content-Type", r.kind}, c.head...)...)
			want := c.want
			if want == 0 {
				want = r.ok
			}
			if res.StatusCode != want {
				t.Errorf("%s: %s: %d, want %d: %.200s", c.name, r.path, res.StatusCode, want, text)
			}
		}
		if c.want == 421 {
			for _, path := range []string{"/", "/api/v1/health", "/static/app.css", "/metrics", "/login"} {
				if res, _ := w.get(path, c.head...); res.StatusCode != 421 {
					t.Errorf("%s: GET %s: %d", c.name, path, res.StatusCode)
				}
			}
		}
	}
	// JSON that a form of another site could send is not taken for JSON.
	if res, _ := w.ask("POST", "/api/v1/runs", `{"workflow":"hello"}`, "Content-Type", "text/plain"); res.StatusCode != 415 {
		t.Errorf("text/plain: %d", res.StatusCode)
	}
	if res, _ := w.get("/"); res.Header.Get("Access-Control-Allow-Origin") != "" || res.Header.Get("X-Frame-Options") != "DENY" {
		t.Errorf("headers: %v", res.Header)
	}
}

// TestTokens: who has no token, a wrong one, or one that has expired is not let in, and may
// not try often; one for reading reads.
func TestTokens(t *testing.T) {
	var now atomic.Int64
	now.Store(time.Now().Unix())
	w := newWorld(t, web.Options{
		Now:    func() time.Time { return time.Unix(now.Load(), 0) },
		Tokens: []web.Token{{Name: "all", Hash: hash("all")}, {Name: "read", Hash: hash("read"), ReadOnly: true}, {Name: "brief", Hash: hash("brief"), Expires: time.Now().Add(time.Hour)}},
	})
	w.add("hello", "tasks:\n  a: { run: echo hello }\n")
	id := w.begin("hello", nil)
	w.wait(id)
	bearer := func(token string) []string { return []string{"Authorization", "Bearer " + token} }
	code := func(method, path, body string, head ...string) int {
		t.Helper()
		res, _ := w.ask(method, path, body, head...)
		return res.StatusCode
	}
	expect := func(what string, got, want int) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %d, want %d", what, got, want)
		}
	}
	const start = `{"workflow":"hello"}`
	for _, path := range []string{"/api/v1/runs", "/api/v1/workflows", "/api/v1/runs/" + id + "/events", "/api/v1/runs/" + id + "/logs/a?format=text", "/metrics", "/api/v1/values/x"} {
		expect("none: "+path, code("GET", path, ""), 401)
		expect("odd: "+path, code("GET", path, "", "Authorization", "Basic YWxsOmFsbA=="), 401)
	}
	for _, path := range []string{"/", "/runs", "/runs/" + id, "/workflows/hello"} {
		res, text := w.get(path)
		if res.StatusCode != 303 || !strings.HasPrefix(res.Header.Get("Location"), "/login?to=%2F") || strings.Contains(text, "echo") {
			t.Errorf("none: %s: %d %v %s", path, res.StatusCode, res.Header, text)
		}
	}
	expect("health", code("GET", "/api/v1/health", ""), 200)
	expect("ready", code("GET", "/api/v1/ready", ""), 200)
	expect("all reads", code("GET", "/api/v1/runs", "", bearer("all")...), 200)
	expect("all writes", code("POST", "/api/v1/runs", start, bearer("all")...), 201)
	expect("read reads", code("GET", "/api/v1/runs", "", bearer("read")...), 200)
	expect("read writes", code("POST", "/api/v1/runs", start, bearer("read")...), 403)
	expect("read cancels", code("POST", "/runs/"+id+"/cancel", "", bearer("read")...), 403)
	expect("brief", code("GET", "/api/v1/runs", "", bearer("brief")...), 200)

	// A session, by the form.
	login := func(token string) *http.Response {
		res, _ := w.ask("POST", "/login", "to=%2F%2Fevil.example&token="+token, "Content-Type", "application/x-www-form-urlencoded")
		return res
	}
	res := login("brief")
	cookie := res.Cookies()[0]
	if res.StatusCode != 303 || res.Header.Get("Location") != "/" || !cookie.HttpOnly || cookie.SameSite != http.SameSiteStrictMode || strings.Contains(cookie.Value, "brief") {
		t.Errorf("login: %d %v", res.StatusCode, res.Header)
	}
	session := []string{"Cookie", cookie.Name + "=" + cookie.Value}
	expect("session", code("GET", "/runs", "", session...), 200)
	read := login("read").Cookies()[0]
	expect("session of read", code("POST", "/workflows/hello/start", "", "Cookie", read.Name+"="+read.Value), 403)
	parts := strings.Split(cookie.Value, ".")
	for _, forged := range []string{"", ".", "..", parts[0], parts[0] + "." + "99999999999" + "." + parts[2], hash("all")[:16] + "." + parts[1] + "." + parts[2], cookie.Value + "x"} {
		expect("forged "+forged, code("GET", "/api/v1/runs", "", "Cookie", cookie.Name+"="+forged), 401)
	}
	now.Add(3601)
	expect("expired token", code("GET", "/api/v1/runs", "", bearer("brief")...), 401)
	expect("expired session", code("GET", "/api/v1/runs", "", session...), 401)
	now.Add(12 * 3600)
	expect("old session", code("GET", "/api/v1/runs", "", "Cookie", read.Name+"="+read.Value), 401)

	// Guessing ends soon, for a while; whoever has a token or a session goes on.
	good := login("all").Cookies()[0]
	limited := 0
	for k := range 40 {
		switch c := code("GET", "/api/v1/runs", "", bearer(fmt.Sprint("guess", k))...); c {
		case 401:
		case 429:
			limited++
		default:
			t.Errorf("guess: %d", c)
		}
	}
	if limited < 25 {
		t.Errorf("of 40 guesses %d were limited", limited)
	}
	expect("the right one then", code("GET", "/api/v1/runs", "", bearer("all")...), 200)
	expect("login then", login("all").StatusCode, 303)
	expect("an expired one then", code("GET", "/api/v1/runs", "", bearer("brief")...), 429)
	expect("a wrong login then", login("guess").StatusCode, 429)
	expect("a session then", code("GET", "/api/v1/runs", "", "Cookie", good.Name+"="+good.Value), 200)
	now.Add(120)
	expect("later", code("GET", "/api/v1/runs", "", bearer("all")...), 200)
	if _, err := web.New(web.Options{Catalog: w, Control: w, Ledger: w, Health: w, Runs: cli.NewSiteRuns(w.home), Tokens: []web.Token{{Hash: "all"}}}); err == nil {
		t.Error("a token that is no hash is taken")
	}
}

// TestLargeBodies: 100 MB are not read.
func TestLargeBodies(t *testing.T) {
	w := newWorld(t, web.Options{})
	w.add("hello", "tasks:\n  a: { run: echo hello }\n")
	const large = 100 << 20
	for _, path := range []string{"/api/v1/runs", "/hooks/x", "/workflows/hello/start", "/login", "/logout"} {
		for _, chunked := range []bool{false, true} {
			conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			kind, length := "application/json", fmt.Sprintf("Content-Length: %d", large)
			if !strings.HasPrefix(path, "/api") {
				kind = "application/x-www-form-urlencoded"
			}
			if chunked {
				length = "Transfer-Encoding: chunked"
			}
			fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: %s\r\n%s\r\n\r\n", path, kind, length)
			var sent atomic.Int64
			go func() {
				chunk := strings.Repeat("a", 32<<10)
				for sent.Load() < large {
					text := chunk
					if chunked {
						text = fmt.Sprintf("%x\r\n%s\r\n", len(chunk), chunk)
					}
					n, err := io.WriteString(conn, text)
					if sent.Add(int64(n)); err != nil {
						return
					}
				}
			}()
			_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
			res, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err == nil && res.StatusCode != 413 && path != "/logout" {
				t.Errorf("%s, chunked %v: %d", path, chunked, res.StatusCode)
			}
			conn.Close()
			if n := sent.Load(); n > 16<<20 {
				t.Errorf("%s, chunked %v: %d bytes were taken", path, chunked, n)
			}
		}
	}
}

// TestSlowAndIdle: connections that say nothing, or say it slowly, are ended, and don't
// keep others out.
func TestSlowAndIdle(t *testing.T) {
	w := newWorld(t, web.Options{})
	real := web.Server(w.site)
	for name, limit := range map[string]time.Duration{"header": real.ReadHeaderTimeout, "read": real.ReadTimeout, "idle": real.IdleTimeout} {
		if limit <= 0 || limit > 2*time.Minute {
			t.Errorf("%s: %s", name, limit)
		}
	}
	srv := httptest.NewUnstartedServer(nil)
	srv.Config = web.Server(w.site)
	srv.Config.ReadHeaderTimeout, srv.Config.ReadTimeout, srv.Config.IdleTimeout = 300*time.Millisecond, 300*time.Millisecond, time.Minute
	srv.Start()
	defer srv.Close()
	for _, head := range []string{"", "GET / HTTP/1.1\r\nHost: loc", "POST /api/v1/runs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"} {
		conn, err := net.Dial("tcp", srv.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, head)
		_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		if _, err := io.ReadAll(conn); err != nil && strings.Contains(err.Error(), "timeout") {
			t.Errorf("%q: still open", head)
		}
		conn.Close()
	}
	const many = 2000
	before := runtime.NumGoroutine()
	var conns []net.Conn
	for range many {
		conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, conn)
	}
	began := time.Now()
	if res, _ := w.get("/api/v1/health"); res.StatusCode != 200 || time.Since(began) > 2*time.Second {
		t.Errorf("beside %d idle ones: %d after %s", many, res.StatusCode, time.Since(began))
	}
	for _, c := range conns {
		c.Close()
	}
	settles(t, before)
}

// settles waits until what was begun has ended.
func settles(t *testing.T, before int) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(15 * time.Second); runtime.NumGoroutine() > before+10; <-tick.C {
		if time.Now().After(end) {
			t.Errorf("%d goroutines, %d before", runtime.NumGoroutine(), before)
			return
		}
	}
}

// resident is how much memory this process has, in MB; 0 where that says nothing.
func resident(t *testing.T) int {
	t.Helper()
	if racing {
		return 0
	}
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skip("memory is measured on Linux")
	}
	pages, err := strconv.Atoi(strings.Fields(string(text))[1])
	if err != nil {
		t.Fatal(err)
	}
	return pages * os.Getpagesize() >> 20
}

// TestManyReaders: 2,000 watch a run at the same time; all are told all of it, and nothing
// is left of them.
func TestManyReaders(t *testing.T) {
	const many = 2000
	w := newWorld(t, web.Options{Poll: 100 * time.Millisecond})
	dir := t.TempDir()
	w.add("steps", "params: { go: { type: string } }\ntasks:\n  a: { run: 'while [ ! -e \"$go\" ]; do sleep 0.05; done; echo a', inputs: { go: '${{ params.go }}' } }\n  b: { for_each: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], run: echo b, needs: a }\n")
	id := w.begin("steps", map[string]any{"go": dir + "/go"})
	before := runtime.NumGoroutine()
	conns := make([]net.Conn, many)
	for k := range conns {
		conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		conns[k] = conn
		path := "events"
		if k%10 == 0 {
			path = "logs/a?follow=1"
		}
		fmt.Fprintf(conn, "GET /api/v1/runs/%s/%s HTTP/1.1\r\nHost: localhost\r\n\r\n", id, path)
	}
	watched := false
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(30 * time.Second); !watched && time.Now().Before(end); <-tick.C {
		_, text := w.get("/metrics")
		watched = strings.Contains(text, "\nflow_stream_readers 2000\n")
	}
	if !watched {
		t.Error("not all readers are there")
	}
	runtime.GC()
	if mb := resident(t); mb > 300 {
		t.Errorf("the server has %d MB", mb)
	} else {
		t.Logf("%d readers: %d MB", many, mb)
	}
	began := time.Now()
	if res, _ := w.get("/runs/" + id); res.StatusCode != 200 || time.Since(began) > 3*time.Second {
		t.Errorf("a page beside them: %d after %s", res.StatusCode, time.Since(began))
	}
	touch(t, dir+"/go")
	w.wait(id)
	ended := 0
	for k, conn := range conns {
		_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		last := ""
		in := bufio.NewScanner(conn)
		for in.Scan() {
			if line := in.Text(); strings.HasPrefix(line, "event: end") {
				last = line
				break
			}
		}
		if last != "" {
			ended++
		} else if k < 3 {
			t.Errorf("reader %d: %v", k, in.Err())
		}
		conn.Close()
	}
	if ended != many {
		t.Errorf("%d of %d were told the end", ended, many)
	}
	settles(t, before)
	if _, text := w.get("/metrics"); !strings.Contains(text, "\nflow_stream_readers 0\n") {
		t.Error("readers are left")
	}
}

// TestReadersThatDoNotRead are dropped: they cost no more than what the system buffers, and
// not for long.
func TestReadersThatDoNotRead(t *testing.T) {
	w := newWorld(t, web.Options{Patience: 300 * time.Millisecond})
	plan := w.add("wide", "tasks:\n  a: { for_each: '${{ 1..20000 }}', exec: [x] }\n")
	id := w.record(plan, past{at: time.Now().Add(-time.Hour), places: 1000, does: func(string, int, int) (time.Duration, *dag.Failure, any) { return time.Second, nil, nil }})
	for range 40 {
		conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "GET /api/v1/runs/%s/events HTTP/1.1\r\nHost: localhost\r\n\r\n", id)
	}
	if res, _ := w.get("/runs/" + id); res.StatusCode != 200 {
		t.Errorf("a page beside them: %d", res.StatusCode)
	}
	runtime.GC()
	if mb := resident(t); mb > 300 {
		t.Errorf("the server has %d MB", mb)
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(30 * time.Second); ; <-tick.C {
		if _, text := w.get("/metrics"); strings.Contains(text, "\nflow_stream_readers 0\n") {
			return
		}
		if time.Now().After(end) {
			t.Error("readers that do not read are still served")
			return
		}
	}
}

// longLogs are runs whose logs have a gigabyte.
type longLogs struct {
	web.Runs
	read atomic.Int64
}

const longLine = 100

// longLog is how long they are; the race detector makes reading all of it slow.
var longLog = map[bool]int64{false: 1 << 30, true: 1 << 27}[racing]

func (l *longLogs) LogSize(web.LogOf) (int64, int64, error) { return longLog, 0, nil }

func (l *longLogs) LogFrom(_ web.LogOf, from int64, limit int) (web.Piece, error) {
	p := web.Piece{From: from, Next: from, First: from == 0}
	for p.Next < longLog && p.Next-from < int64(limit) {
		p.Lines = append(p.Lines, web.Line{Text: fmt.Sprintf("%0*d", longLine-1, p.Next), Whole: true, Pos: p.Next, Time: time.UnixMilli(1)})
		p.Next += longLine
	}
	p.Last = p.Next >= longLog
	l.read.Add(p.Next - from)
	return p, nil
}

func (l *longLogs) LogBefore(of web.LogOf, before int64, limit int) (web.Piece, error) {
	if before == 0 {
		before = longLog / longLine * longLine
	}
	p, err := l.LogFrom(of, max(0, before-int64(limit)/longLine*longLine), limit)
	return p, err
}

// TestLongLog: of a log of a gigabyte, pages and pieces read what they show, and a download
// is never in memory as a whole.
func TestLongLog(t *testing.T) {
	long := &longLogs{}
	w := newWorld(t, web.Options{Runs: long})
	long.Runs = cli.NewSiteRuns(w.home)
	w.add("hello", "tasks:\n  a: { run: echo hello }\n")
	id := w.begin("hello", nil)
	w.wait(id)
	for _, path := range []string{"/runs/" + id + "/tasks/a", "/runs/" + id + "/tasks/a?from=500000000", "/runs/" + id + "/tasks/a?before=900000000", "/api/v1/runs/" + id + "/logs/a", "/api/v1/runs/" + id + "/logs/a?limit=1048576"} {
		long.read.Store(0)
		res, text := w.get(path)
		if n := long.read.Load(); res.StatusCode != 200 || n > 2<<20 || len(text) > 4<<20 {
			t.Errorf("%s: %d, %d bytes read, %d sent", path, res.StatusCode, n, len(text))
		}
	}
	long.read.Store(0)
	began := time.Now()
	_, text := w.get("/runs/" + id + "/tasks/a?search=nowhere")
	if n := long.read.Load(); n > 80<<20 || !strings.Contains(text, "go on") || time.Since(began) > 20*time.Second {
		t.Errorf("a search reads %d bytes in %s", n, time.Since(began))
	}
	runtime.GC()
	before := resident(t)
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, "GET", w.url+"/api/v1/runs/"+id+"/logs/a?format=text", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	most, total, buf := 0, int64(0), make([]byte, 1<<20)
	for {
		n, err := res.Body.Read(buf)
		total += int64(n)
		if total>>24 != (total-int64(n))>>24 {
			most = max(most, resident(t))
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if total < longLog-2*longLine {
		t.Errorf("%d bytes", total)
	}
	t.Logf("%d MB before, at most %d while %d MB were sent", before, most, total>>20)
	if most > 300 {
		t.Errorf("%d MB of memory", most)
	}
}
