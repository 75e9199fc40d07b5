package web

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"flow/dag"
	"flow/internal/ansi"
)

//go:embed templates/*.html
var templateFiles embed.FS

//go:embed static
var staticFiles embed.FS

// asset is a file of the pages.
type asset struct {
	text []byte
	kind string
	hash string
}

// kinds are the media types of assets.
var kinds = map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}

func assets() (map[string]asset, error) {
	all := make(map[string]asset)
	put := func(name string, text []byte) {
		sum := sha256.Sum256(text)
		all[name] = asset{text, kinds[path.Ext(name)], hex.EncodeToString(sum[:6])}
	}
	entries, err := fs.ReadDir(staticFiles, "static")
	if err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	for _, e := range entries {
		text, err := staticFiles.ReadFile("static/" + e.Name())
		if err != nil {
			return nil, fmt.Errorf("web: %w", err)
		}
		put(e.Name(), text)
	}
	put("graph.css", []byte(graphStyle()))
	return all, nil
}

// graphStyle is the style of graphs; which colours they have is the page's choice, so what
// asks the reader's system is left out.
func graphStyle() string {
	style := dag.SVGStyle()
	if from := strings.Index(style, "@media"); from >= 0 {
		if to := strings.Index(style[from:], "\n}\n"); to >= 0 {
			style = style[:from] + style[from+to+3:]
		}
	}
	return style
}

func (s *site) getStatic(w http.ResponseWriter, r *http.Request) error {
	a, ok := s.static[r.PathValue("file")]
	if !ok || a.kind == "" {
		return fmt.Errorf("there is no such file: %w", ErrNotFound)
	}
	w.Header().Set("Content-Type", a.kind)
	w.Header().Set("ETag", `"`+a.hash+`"`)
	w.Header().Set("Cache-Control", "no-cache")
	if r.URL.Query().Get("v") == a.hash {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(a.text))
	return nil
}

// page is what all pages have.
type page struct {
	Title, Nav string
	Me         *who
	Version    string
	Icon       string // the status that the tab shows; "": none
	Now        time.Time
	Path       string
	URL        url.URL
	Live       bool // it changes while one looks at it
	Every      int  // milliseconds after which it is read again; 0: never
}

func (s *site) page(r *http.Request, title, nav string) page {
	return page{Title: title, Nav: nav, Me: whose(r), Version: s.Version, Now: s.Now(), Path: r.URL.Path, URL: *r.URL}
}

// With is the page's address with a value of its query changed, and without its place in a
// list; "" takes the value away.
func (p *page) With(name, value string) string {
	q := p.URL.Query()
	q.Del("page")
	q.Del("before")
	if value == "" {
		q.Del(name)
	} else {
		q.Set(name, value)
	}
	return (&url.URL{Path: p.URL.Path, RawQuery: q.Encode()}).String()
}

// Query is a value of the page's query.
func (p *page) Query(name string) string { return p.URL.Query().Get(name) }

func (s *site) templates() (*template.Template, error) {
	t := template.New("").Funcs(template.FuncMap{
		"asset":  func(name string) string { return "/static/" + name + "?v=" + s.static[name].hash },
		"took":   took,
		"took2":  func(from, to time.Time) string { return took(to.Sub(from)) },
		"rfc":    func(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z07:00") },
		"clock":  func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 MST") },
		"ago":    func(t time.Time) string { return ago(s.Now(), t) },
		"short":  shortID,
		"size":   size,
		"esc":    url.PathEscape,
		"count":  count,
		"spans":  ansi.Spans,
		"ms":     func(t time.Time) int64 { return t.UnixMilli() },
		"join":   strings.Join,
		"inc":    func(n int) int { return n + 1 },
		"lower":  strings.ToLower,
		"word":   func(s string) string { return strings.ReplaceAll(s, "_", " ") },
		"wall":   wall,
		"first":  func(s string) string { line, _, _ := strings.Cut(s, "\n"); return clip(line, 300) },
		"status": func() []string { return statuses },
	})
	t, err := t.ParseFS(templateFiles, "templates/*.html")
	if err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	return t, nil
}

// show answers with a page. It is made before any of it is sent, so that what goes wrong
// is an error and no half of a page.
func (s *site) show(w http.ResponseWriter, _ *http.Request, code int, name string, view any) error {
	var b bytes.Buffer
	if err := s.pages.ExecuteTemplate(&b, name, view); err != nil {
		return fmt.Errorf("web: page %s: %w", name, err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(code)
	_, _ = w.Write(b.Bytes()) // whoever asked may be gone
	return nil
}

type errorView struct {
	page
	Problem problem
	Word    string
	Back    string
}

func (s *site) errorPage(w http.ResponseWriter, r *http.Request, p problem) {
	v := &errorView{page: s.page(r, http.StatusText(p.code), ""), Problem: p, Word: http.StatusText(p.code), Back: "/"}
	if r.Method == http.MethodPost {
		v.Back = path.Dir(r.URL.Path)
	}
	if err := s.show(w, r, p.code, "error", v); err != nil {
		s.Log.Error("web", "error", err)
		http.Error(w, p.Message, p.code)
	}
}

// took is a duration as people read it: 1m03s.
func took(d time.Duration) string {
	switch {
	case d <= 0:
		return "0s"
	case d < time.Second:
		return fmt.Sprintf("%dms", d.Milliseconds())
	case d < 10*time.Second:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd%02dh", int(d.Hours())/24, int(d.Hours())%24)
}

// ago is a time from now, in words.
func ago(now, t time.Time) string {
	d, format := now.Sub(t), "%s ago"
	if d < 0 {
		d, format = -d, "in %s"
	}
	switch {
	case d < 5*time.Second:
		return "now"
	case d < time.Minute:
		return fmt.Sprintf(format, fmt.Sprintf("%d s", int(d.Seconds())))
	case d < time.Hour:
		return fmt.Sprintf(format, fmt.Sprintf("%d min", int(d.Minutes())))
	case d < 48*time.Hour:
		return fmt.Sprintf(format, fmt.Sprintf("%d h", int(d.Hours())))
	}
	return fmt.Sprintf(format, fmt.Sprintf("%d days", int(d.Hours())/24))
}

// wall is what the clock on a schedule's wall shows at a time.
func wall(t time.Time, zone string) string {
	where, err := time.LoadLocation(zone)
	if err != nil {
		return ""
	}
	return t.In(where).Format("15:04")
}

// shortID is what people type of a run's id: its end.
func shortID(id string) string { return id[max(0, len(id)-6):] }

func size(n int64) string {
	switch {
	case n < 1000:
		return fmt.Sprintf("%d B", n)
	case n < 1000_000:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	case n < 1000_000_000:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.1f GB", float64(n)/1e9)
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func clip(s string, most int) string {
	r := []rune(s)
	if len(r) <= most {
		return s
	}
	return string(r[:most-1]) + "…"
}

// bar is one bar of the strip of a workflow's last runs.
type bar struct {
	Run    Run
	X, Y   int
	Height int
	Took   time.Duration
}

// stripRuns is how many runs a strip shows.
const stripRuns = 24

// strip makes bars of runs, which come newest first: the oldest stands left, and how high
// one is says how long it took beside the longest.
func strip(all []Run, now time.Time) []bar {
	all = all[:min(len(all), stripRuns)]
	most := time.Duration(1)
	bars := make([]bar, len(all))
	for i := range all {
		b := &bars[len(all)-1-i]
		b.Run, b.Took = all[i], all[i].took(now)
		most = max(most, b.Took)
	}
	for i := range bars {
		b := &bars[i]
		b.X = (stripRuns - len(bars) + i) * 6
		b.Height = 5 + int(17*b.Took/most)
		b.Y = 22 - b.Height
	}
	return bars
}

// took is how long a run took, or takes so far.
func (r *Run) took(now time.Time) time.Duration {
	if r.Ended.IsZero() {
		return max(0, now.Sub(r.Started))
	}
	return max(0, r.Ended.Sub(r.Started))
}

// Took is took for pages, which know the time by their name for it.
func (r *Run) Took(now time.Time) time.Duration { return r.took(now) }

// Word is a run's reason, as people say it.
func (r *Run) Word() string { return cmp.Or(strings.ReplaceAll(r.Reason, "_", " "), "") }

// PageAt is the address of the page that is so many after this one.
func (v *runView) PageAt(more int) string { return v.at("page", v.Page+more) }

// PageAt is the address of the page of instances that is so many after this one.
func (v *taskView) PageAt(more int) string { return v.at("page", v.Page+more) }

// InstanceAt is the address of an instance.
func (v *taskView) InstanceAt(k int) string {
	q := url.Values{}
	q.Set("instance", fmt.Sprint(k))
	if only := v.Query("only"); only != "" {
		q.Set("only", only)
		q.Set("page", fmt.Sprint(v.Page))
	}
	return "?" + q.Encode()
}

// AttemptAt is the address of an attempt.
func (v *taskView) AttemptAt(n int) string {
	q := url.Values{}
	q.Set("attempt", fmt.Sprint(n))
	if v.Log.Of.Instance >= 0 {
		q.Set("instance", fmt.Sprint(v.Log.Of.Instance))
	}
	return "?" + q.Encode()
}

// Older is the address of the next page.
func (v *runsView) Older() string { return v.at("before", v.Next) }

// Older is the address of the next page.
func (v *schedulesView) Older() string { return v.at("before", v.Next.UTC().Format(time.RFC3339Nano)) }

func (p *page) at(name string, n any) string {
	q := p.URL.Query()
	q.Set(name, fmt.Sprint(n))
	return (&url.URL{Path: p.URL.Path, RawQuery: q.Encode()}).String()
}
