package cli

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"unicode"
)

// newLogHandler logs a line for each record: for people, or as JSON.
func newLogHandler(w io.Writer, asJSON bool) slog.Handler {
	if asJSON {
		return slog.NewJSONHandler(w, nil)
	}
	return &logHandler{out: w, mu: new(sync.Mutex)}
}

// logHandler writes records as people read them: the time, the message, and what belongs
// to it.
type logHandler struct {
	mu   *sync.Mutex
	out  io.Writer
	with []slog.Attr
}

// Enabled implements slog.Handler.
func (h *logHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelInfo }

// Handle implements slog.Handler.
func (h *logHandler) Handle(_ context.Context, r slog.Record) error {
	var b bytes.Buffer
	b.WriteString(r.Time.Format("2006-01-02 15:04:05 "))
	if r.Level >= slog.LevelError {
		b.WriteString("error: ")
	}
	b.WriteString(oneLine(r.Message))
	add := func(a slog.Attr) bool {
		text := a.Value.String()
		if strings.ContainsFunc(text, func(c rune) bool { return unicode.IsSpace(c) || c == '"' || !unicode.IsPrint(c) }) {
			text = strconv.Quote(text)
		}
		b.WriteString("  " + a.Key + "=" + text)
		return true
	}
	for _, a := range h.with {
		add(a)
	}
	r.Attrs(add)
	b.WriteByte('\n')
	h.mu.Lock()
	defer h.mu.Unlock()
	_, err := h.out.Write(b.Bytes())
	return err
}

// WithAttrs implements slog.Handler.
func (h *logHandler) WithAttrs(as []slog.Attr) slog.Handler {
	c := *h
	c.with = append(c.with[:len(c.with):len(c.with)], as...)
	return &c
}

// WithGroup implements slog.Handler; names are unique enough without.
func (h *logHandler) WithGroup(string) slog.Handler { return h }
