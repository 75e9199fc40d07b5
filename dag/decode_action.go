package dag

import (
	"net/url"
	"slices"
	"strings"
	"time"
)

const shapeHTTPStatus = `{"type":["integer","array"],"minimum":100,"maximum":599,"items":{"type":"integer","minimum":100,"maximum":599}}`

var httpObject = newObject(object[HTTP]{
	name: "http", title: "http", doc: "One HTTP request. The result is {status, headers, body}.",
	also: `"not":{"required":["json","body"]}`,
	keys: []key[HTTP]{
		{name: "url", must: true, read: readURL, shape: shapeFilled, doc: "Where to: http:// or https://."},
		{name: "method", read: readMethod, shape: shapeFilled, doc: "GET, POST, …. Default: GET; POST with json or body."},
		{name: "headers", read: func(d *decoder, n *node, h *HTTP) { h.Headers = d.bindings(n, inHTTP) }, shape: shapeValues, doc: "Header fields."},
		{name: "query", read: func(d *decoder, n *node, h *HTTP) { h.Query = d.bindings(n, inHTTP) }, shape: shapeValues, doc: "Parameters that are added to the URL."},
		{name: "json", read: func(d *decoder, n *node, h *HTTP) { h.JSON = d.value(n, inHTTP) }, shape: shapeAny, doc: "A value that is sent as JSON."},
		{name: "body", read: readBody, shape: shapeAny, doc: "A text that is sent as it is."},
		{name: "expect", read: readExpect, shape: shapeHTTPStatus, doc: "Statuses that are a success. Default: 200 to 299."},
		{name: "allow_private", read: func(d *decoder, n *node, h *HTTP) { h.AllowPrivate = d.bool(n) }, shape: shapeBool, doc: "Allow addresses of private networks and of this machine."},
	},
})

var sqlObject = newObject(object[SQL]{
	name: "sql", title: "sql", doc: "Statements against a database. The result is the rows, or {rows_affected}.",
	also: `"oneOf":[{"required":["query"]},{"required":["file"]}]`,
	keys: []key[SQL]{
		{name: "database", must: true, read: func(d *decoder, n *node, s *SQL) { s.Database = d.filledValue(n, inSQL) }, shape: shapeFilled, doc: "The database: a DSN, most often a secret."},
		{name: "query", read: func(d *decoder, n *node, s *SQL) { s.Query = d.filledValue(n, inSQL) }, shape: shapeFilled, doc: "The statements. Values go into args."},
		{name: "file", read: func(d *decoder, n *node, s *SQL) { s.File = d.filledValue(n, inSQL) }, shape: shapeFilled, doc: "A file with the statements, relative to the workflow file."},
		{name: "args", read: readArgs, shape: `{"type":["array","object","string"]}`, doc: "Values of the statement's placeholders: a list, or a map by name."},
	},
})

var waitObject = newObject(object[Wait]{
	name: "wait", title: "wait", doc: "A sensor: exactly one of file, http, sql, for and at.",
	also: `"oneOf":[{"required":["file"]},{"required":["http"]},{"required":["sql"]},{"required":["for"]},{"required":["at"]}],"dependentSchemas":{"until":{"anyOf":[{"required":["file"]},{"required":["http"]},{"required":["sql"]}]},"every":{"anyOf":[{"required":["file"]},{"required":["http"]},{"required":["sql"]}]}}`,
	keys: []key[Wait]{
		{name: "file", read: func(d *decoder, n *node, w *Wait) { w.File = d.filledValue(n, inWait) }, shape: shapeFilled, doc: "Waits until a file is there: a path or a glob, relative to the workflow file."},
		{name: "http", read: func(d *decoder, n *node, w *Wait) { w.HTTP = d.request(n) }, shape: `{"$ref":"#/$defs/http"}`, doc: "Looks with a request until it succeeds."},
		{name: "sql", read: func(d *decoder, n *node, w *Wait) { w.SQL = d.query(n) }, shape: `{"$ref":"#/$defs/sql"}`, doc: "Looks with a query until it returns rows."},
		{name: "for", read: readWaitFor, shape: shapeScalar, doc: "Waits a duration."},
		{name: "at", read: readWaitAt, shape: shapeScalar, doc: "Waits until a moment, RFC 3339."},
		{name: "until", read: func(d *decoder, n *node, w *Wait) { w.Until = d.expr(n, inUntil) }, shape: shapeExpr, doc: "An expression over `result`, what the look found: the wait is over when it is true."},
		{name: "every", read: func(d *decoder, n *node, w *Wait) { w.Every = d.every(n) }, shape: shapeDuration, doc: "The time between two looks. Default: 10s."},
	},
})

func readRun(d *decoder, n *node, t *draft) {
	if n.Kind != scalarKind || isNull(n) || strings.TrimSpace(n.Value) == "" {
		d.errorf(n, "run is a shell script, not %s%s", nodeKind(n), runHint(n))
		d.act(t, Run{})
		return
	}
	s := d.c.script(scalarText(n, d.src), inRun, t.Shell, t.Task)
	if s != nil {
		d.used = append(d.used, s)
	}
	d.act(t, Run{Script: s})
}

// runHint is the way out for a script that isn't a text.
func runHint(n *node) string {
	if n.Style&flowStyle != 0 {
		return "; one that begins with { or [ needs quotes; for a program with arguments there is exec"
	}
	if n.Kind == listKind {
		return "; several commands are lines of one text: run: |"
	}
	return ""
}

func readExec(d *decoder, n *node, t *draft) {
	var argv []*Value
	switch {
	case n.Kind != listKind:
		d.errorf(n, "exec is a list, the program and its arguments: [ls, -l]; for a shell command there is run")
	case len(n.Content) == 0:
		d.errorf(n, "exec is empty; it is a program and its arguments: [ls, -l]")
	default:
		for i, c := range n.Content {
			if c.Kind != scalarKind {
				d.errorf(c, "an argument of exec is a text, not %s", nodeKind(c))
				continue
			}
			if i == 0 && strings.TrimSpace(c.Value) == "" {
				d.errorf(c, "exec names no program")
			}
			argv = append(argv, d.asWritten(c, inExec))
		}
	}
	d.act(t, Exec{Argv: argv})
}

func readCall(d *decoder, n *node, t *draft) {
	s, ok := d.filled(n)
	if ok {
		module, function, colon := strings.Cut(s, ":")
		if !colon || module == "" || function == "" || strings.ContainsAny(s, " \t\n") || strings.Contains(function, ":") {
			d.errorf(n, "call: %q is no function; write module:function, as etl.orders:clean, or go:Name", shorten(s, 60))
		}
	}
	d.act(t, Call{Function: s})
}

func readHTTP(d *decoder, n *node, t *draft) {
	h := d.request(n)
	if h == nil {
		h = new(HTTP)
	}
	d.act(t, *h)
}

// request reads `http`, of a task or of wait.
func (d *decoder) request(n *node) *HTTP {
	h := new(HTTP)
	if !httpObject.read(d, n, d.at, h) {
		return nil
	}
	if h.JSON != nil && h.Body != nil {
		d.errorf(n.Content[findKey(n.Content, "body")], "a request has json or body, not both")
	}
	return h
}

func readURL(d *decoder, n *node, h *HTTP) {
	h.URL = d.filledValue(n, inHTTP)
	s, ok := literalText(h.URL)
	if !ok {
		return
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		d.errorf(n, "url: %q is no address; it begins with http:// or https://", shorten(s, 60))
	}
}

func readMethod(d *decoder, n *node, h *HTTP) {
	h.Method = d.filledValue(n, inHTTP)
	s, ok := literalText(h.Method)
	if !ok {
		return
	}
	switch {
	case strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == "":
	case slices.Contains([]string{"get", "post", "put", "patch", "delete", "head", "options"}, strings.ToLower(s)):
		d.errorf(n, "method is written in capitals: %s", strings.ToUpper(s))
	default:
		d.errorf(n, "method: %q is no HTTP method", shorten(s, 60))
	}
}

func readBody(d *decoder, n *node, h *HTTP) {
	if n.Kind != scalarKind {
		d.errorf(n, "body is a text, not %s; a value is sent with json", nodeKind(n))
		return
	}
	h.Body = d.value(n, inHTTP)
}

func readExpect(d *decoder, n *node, h *HTTP) {
	for c := range d.each(n) {
		if s, ok := d.int(c, 100, 599); ok {
			h.Expect = append(h.Expect, s)
		}
	}
}

func readSQL(d *decoder, n *node, t *draft) {
	s := d.query(n)
	if s == nil {
		s = new(SQL)
	}
	d.act(t, *s)
}

// query reads `sql`, of a task or of wait.
func (d *decoder) query(n *node) *SQL {
	s := new(SQL)
	if !sqlObject.read(d, n, d.at, s) {
		return nil
	}
	d.exactlyOne(n, "sql", "query", "file")
	return s
}

func readArgs(d *decoder, n *node, s *SQL) {
	if n.Kind == scalarKind && !strings.Contains(n.Value, "${{") {
		d.errorf(n, "args is a list, a map, or an expression, not %s", nodeKind(n))
		return
	}
	s.Args = d.value(n, inSQL)
}

func readChild(d *decoder, n *node, t *draft) {
	s, _ := d.filled(n)
	d.act(t, Child{File: s})
}

func readWait(d *decoder, n *node, t *draft) {
	w := Wait{Every: 10 * time.Second}
	if waitObject.read(d, n, d.at, &w) {
		d.exactlyOne(n, "wait", "file", "http", "sql", "for", "at")
		if find(n, "for") != nil || find(n, "at") != nil {
			for _, k := range []string{"until", "every"} {
				if i := findKey(n.Content, k); i >= 0 {
					d.errorf(n.Content[i], "%s goes with file, http or sql: a wait for a time looks at nothing", k)
				}
			}
		}
	}
	d.act(t, w)
}

func readWaitFor(d *decoder, n *node, w *Wait) {
	w.For = d.filledValue(n, inWait)
	if s, ok := literalText(w.For); ok {
		d.duration(n)
		w.For = NewValue(s)
	}
}

func readWaitAt(d *decoder, n *node, w *Wait) {
	w.At = d.filledValue(n, inWait)
	if s, ok := literalText(w.At); ok {
		if _, err := time.Parse(time.RFC3339, s); err != nil {
			d.errorf(n, "at: %q is no moment; write one as 2026-01-31T06:30:00+01:00", shorten(s, 40))
		}
	}
}

// every reads a duration that is not zero.
func (d *decoder) every(n *node) time.Duration {
	v, ok := d.duration(n)
	if ok && v <= 0 {
		d.errorf(n, "%s is %s; it has to be longer", d.key, n.Value)
	}
	return v
}

// exactlyOne reports a map that has none or several of a few keys.
func (d *decoder) exactlyOne(n *node, what string, names ...string) {
	first := ""
	for k := range pairs(n) {
		if !slices.Contains(names, k.Value) {
			continue
		}
		if first != "" {
			d.errorf(k, "%s has exactly one of %s; %s stands here already", what, strings.Join(names, ", "), first)
		}
		first = k.Value
	}
	if first == "" {
		d.errorf(d.at, "%s needs one of %s", what, strings.Join(names, ", "))
	}
}

// literalText returns the text of a value that is known before the run.
func literalText(v *Value) (string, bool) {
	if v == nil {
		return "", false
	}
	l, ok := v.Literal()
	if !ok {
		return "", false
	}
	if s, ok := l.(string); ok {
		return s, true
	}
	return Text(l), true
}
