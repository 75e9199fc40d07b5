package ansi

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"unicode"
)

func TestSpans(t *testing.T) {
	for line, want := range map[string]string{
		"plain":                                "plain",
		"\x1b[31mred\x1b[0m, \x1b[1;4mmore":    "[f1 red], [b u more]",
		"\x1b[91;44mx\x1b[39my\x1b[mz":         "[f9 k4 x][k4 y]z",
		"\x1b[38;5;196mx\x1b[48;2;0;0;255my":   "[f9 x][f9 k12 y]",
		"\x1b[38:5:2mx":                        "[f2 x]",
		"\x1b[7mx\x1b[27my":                    "[inv x]y",
		"a\x1b[2Jb\x1b[10;5Hc":                 "a\ufffdb\ufffdc",
		"\x1b]0;title\x07x":                    "\ufffdx",
		"\x1b]8;;http://x\x1b\\link\x1b]8;;\a": "\ufffdlink\ufffd",
		"50%\r100%\r":                          "50%\ufffd100%",
		"a\x00b\u202ec\td":                     "a\ufffdb\ufffdc\td",
		"\x1b":                                 "\ufffd",
		"\x1b[":                                "\ufffd",
		"\x1b[31":                              "\ufffd",
		"\x1b[38;5m\x1b[38mx":                  "x",
		"\xff\xfe":                             "\ufffd\ufffd",
	} {
		var b strings.Builder
		for _, s := range Spans(line) {
			if s.Class == "" {
				b.WriteString(s.Text)
			} else {
				fmt.Fprintf(&b, "[%s %s]", s.Class, s.Text)
			}
		}
		if got := b.String(); got != want {
			t.Errorf("%q: got %q, want %q", line, got, want)
		}
	}
	if all := Spans(strings.Repeat("é", 100_000)); len(all) != 2 || len(all[0].Text) > MaxLine || !strings.Contains(all[1].Text, "bytes more") {
		t.Errorf("a long line: %d spans", len(all))
	}
}

// FuzzSpans: whatever is printed, what is shown has no controls, and its classes are known
// ones.
func FuzzSpans(f *testing.F) {
	f.Add("\x1b[1;31mx\x1b[38;2;1;2;3my\x1b]8;;z\x07")
	f.Add("\x1b[48;5;255m\x1b[;m\r\n\u202e")
	class := regexp.MustCompile(`^((f|k)1?[0-9]|b|d|i|u|s|inv)?( ((f|k)1?[0-9]|b|d|i|u|s))*$`)
	f.Fuzz(func(t *testing.T, line string) {
		for _, s := range Spans(line) {
			if !class.MatchString(s.Class) {
				t.Errorf("class %q", s.Class)
			}
			for _, r := range s.Text {
				if r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)) {
					t.Errorf("%q shows %q", line, s.Text)
				}
			}
		}
	})
}
