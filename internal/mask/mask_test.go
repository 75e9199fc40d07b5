package mask

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"math/rand/v2"
	"net/url"
	"reflect"
	"strings"
	"testing"
)

func TestText(t *testing.T) {
	pem := "-----BEGIN KEY-----\r\nAAAABBBBCCCC\r\n}\r\n-----END KEY-----\r\n"
	for _, c := range []struct {
		secrets []string
		in, out string
	}{
		{[]string{"hunter2"}, "pass=hunter2!", "pass=***!"},
		{[]string{"hunter2"}, "hunter", "hunter"},
		{[]string{"hunter2"}, "hunter2hunter2 hunter2", "*** ***"},
		{[]string{"abcd", "cdef"}, "xabcdefx", "x***x"},                  // overlapping
		{[]string{"abcd", "abcdefgh"}, "abcdefgh abcdefg", "*** ***efg"}, // one in another
		{[]string{"  padded \n"}, "[padded]", "[***]"},
		{[]string{pem}, "key AAAABBBBCCCC\n}", "key ***\n}"}, // a line; too short a one is not
		{[]string{pem}, "x" + strings.TrimSpace(pem) + "y", "x***y"},
		{[]string{pem}, strings.ReplaceAll(pem, "\r\n", `\n`), `***\n***\n}\n***\n`},
		{[]string{`it's "q" <b>`}, `'it'\''s "q" <b>'`, `'***'`},
		{[]string{`it's "q" <b>`}, `{"a":"it's \"q\" <b>"}`, `{"a":"***"}`},
		{[]string{`it's "q" <b>`}, `{"a":"it's \"q\" \u003cb\u003e"}`, `{"a":"***"}`},
		{[]string{`it's "q" <b>`}, html.EscapeString(`it's "q" <b>`), "***"},
		{[]string{"a b/c%d+e&f"}, url.QueryEscape("a b/c%d+e&f"), "***"},
		{[]string{"a b/c%d+e&f"}, "/x/" + url.PathEscape("a b/c%d+e&f"), "/x/***"},
		{[]string{"a b/c%d+e&f"}, strings.ToLower(url.QueryEscape("a b/c%d+e&f")), "***"},
		{[]string{"a b/c%d+e&f"}, "a%20b%2fc%25d%2be%26f", "***"},
		{[]string{"abc", "x"}, "abc x", "abc x"},
		{nil, "abc", "abc"},
	} {
		if got := New(c.secrets...).Text(c.in); got != c.out {
			t.Errorf("Text(%q) with %q = %q, want %q", c.in, c.secrets, got, c.out)
		}
	}
}

// TestBase64 encodes a secret within other text: all characters that depend on nothing
// else are masked.
func TestBase64(t *testing.T) {
	secret := "s3cr3t?>~ÿtoken"
	m := New(secret)
	for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.RawURLEncoding} {
		for before := range 7 {
			for after := range 4 {
				text := strings.Repeat("-", before) + secret + strings.Repeat("-", after)
				code := enc.EncodeToString([]byte(text))
				masked := m.Text(code)
				first, last := (8*before+5)/6, 8*(before+len(secret))/6
				if want := code[:first]; !strings.HasPrefix(masked, want+"***") {
					t.Errorf("before %d after %d: %q became %q", before, after, code, masked)
				}
				if left := len(masked) - first - 3; left > len(code)-last {
					t.Errorf("before %d after %d: %q became %q", before, after, code, masked)
				}
			}
		}
	}
	long := strings.Repeat("0123456789abcdefghij", 12)
	code := base64.StdEncoding.EncodeToString([]byte(long + "\n"))
	for _, width := range []int{64, 76} {
		var wrapped strings.Builder
		for rest := code; rest != ""; {
			n := min(width, len(rest))
			wrapped.WriteString(rest[:n] + "\n")
			rest = rest[n:]
		}
		if got := New(long).Text(wrapped.String()); strings.Trim(got, "*\n") != "" {
			t.Errorf("in lines of %d: %q", width, got)
		}
	}
}

func TestValue(t *testing.T) {
	m := New("hunter2", "12345678", "0.12345")
	v := map[string]any{
		"a":           []any{"x hunter2", 12345678, 123456789, 0.12345, 1.5, true, nil},
		"hunter2 key": map[string]any{"n": 1},
		"same":        []any{"nothing"},
	}
	before := fmt.Sprint(v)
	want := map[string]any{
		"a":       []any{"x ***", "***", "***9", "***", 1.5, true, nil},
		"*** key": map[string]any{"n": 1},
		"same":    []any{"nothing"},
	}
	if got := m.Value(v); !reflect.DeepEqual(got, want) {
		t.Errorf("Value = %v", got)
	}
	if after := fmt.Sprint(v); after != before {
		t.Errorf("the value was changed: %s", after)
	}
	var none *Mask
	if got := none.Value(v); !reflect.DeepEqual(got, v) {
		t.Errorf("a nil Mask: %v", got)
	}
}

// TestWriter writes texts in pieces, whatever they are: what comes out is what Text makes
// of the whole, and nothing is held back that can't be the beginning of a secret.
func TestWriter(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	word := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = "ab\n"[rng.IntN(3)]
		}
		return string(b)
	}
	for range 3000 {
		secrets := []string{"a" + word(3+rng.IntN(5)) + "b", "b" + word(2+rng.IntN(3)) + "a"}
		m := New(secrets...)
		text := word(rng.IntN(60))
		if rng.IntN(2) == 0 {
			text += secrets[0] + word(5)
		}
		var out bytes.Buffer
		w := m.Writer(&out)
		for rest := text; rest != ""; {
			n := min(1+rng.IntN(7), len(rest))
			if _, err := w.Write([]byte(rest[:n])); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		if got, want := out.String(), m.Text(text); got != want {
			t.Fatalf("secrets %q, text %q: %q, want %q", secrets, text, got, want)
		}
		for _, s := range secrets {
			if strings.Contains(out.String(), strings.TrimSpace(s)) {
				t.Fatalf("secrets %q, text %q: %q", secrets, text, out.String())
			}
		}
	}

	var out bytes.Buffer
	w := New("hunter2").Writer(&out)
	for _, c := range []struct{ in, out string }{{"a line\n", "a line\n"}, {"hunt", ""}, {"ers\nhunter", "hunters\n"}, {"2", "***"}, {"x", "x"}} {
		out.Reset()
		w.Write([]byte(c.in))
		if out.String() != c.out {
			t.Errorf("after %q: %q, want %q", c.in, out.String(), c.out)
		}
	}
}

// FuzzMask looks for a secret that gets through, as it is or in JSON.
func FuzzMask(f *testing.F) {
	f.Add("hunter2", "the password is ", "!", 3)
	f.Add("abab", "ab", "ab", 1)
	f.Fuzz(func(t *testing.T, secret, before, after string, piece int) {
		m := New(secret)
		core := strings.TrimSpace(secret)
		if len(core) < Least || strings.Contains(core, "\n") || strings.Contains(core, "*") {
			return
		}
		code, err := json.Marshal(before + core + after)
		if err != nil {
			return
		}
		for _, text := range []string{before + core + after, string(code)} {
			var out bytes.Buffer
			w := m.Writer(&out)
			for rest := []byte(text); len(rest) > 0; {
				n := min(max(1, piece), len(rest))
				w.Write(rest[:n])
				rest = rest[n:]
			}
			w.Flush()
			if out.String() != m.Text(text) {
				t.Errorf("in pieces %q, whole %q", out.String(), m.Text(text))
			}
			if strings.Contains(out.String(), core) {
				t.Errorf("%q is in %q", core, out.String())
			}
		}
	})
}

func BenchmarkWriter(b *testing.B) {
	line := []byte(strings.Repeat("2024-05-01T10:00:00Z INFO the quick brown fox jumps over the lazy dog\n", 100))
	w := New("hunter2-hunter2", "AKIAIOSFODNN7EXAMPLE", "-----BEGIN").Writer(discard{})
	b.SetBytes(int64(len(line)))
	for b.Loop() {
		w.Write(line)
	}
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
