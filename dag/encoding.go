package dag

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// checkEncoding looks whether the file is text that YAML knows, and tells what
// it is else. Only the first bad character is told: the rest are like it.
func (s *source) checkEncoding() bool {
	if head := s.text; strings.HasPrefix(head, "\xff\xfe") || strings.HasPrefix(head, "\xfe\xff") || looksUTF16(head) || looksUTF32(head) {
		s.ascii = true // places are bytes: the text has no characters
		name := "UTF-16"
		if looksUTF32(head) {
			name = "UTF-32"
		}
		s.report(Diagnostic{Message: "the file is " + name + "; save it as UTF-8"})
		return false
	}
	for i := 0; i < len(s.text); {
		c := s.text[i]
		if c >= ' ' && c < 0x7f || c == '\n' || c == '\t' || c == '\r' {
			i++
			continue
		}
		r, w := utf8.DecodeRuneInString(s.text[i:])
		if r == utf8.RuneError && w == 1 {
			s.errorAt(s.pos(i), 1, "byte 0x%02X is not UTF-8%s; save the file as UTF-8", c, guessLatin1(c))
			return false
		}
		if !yamlCharacter(r) {
			s.errorAt(s.pos(i), 1, "%s is not allowed in a file; in double quotes write it as %s", nameCharacter(r), escapeCharacter(r))
			return false
		}
		i += w
	}
	return true
}

// looksUTF16 finds UTF-16 without a byte order mark: every other byte of its
// first letters is NUL.
func looksUTF16(s string) bool {
	if len(s) < 4 {
		return false
	}
	return s[0] == 0 && s[1] != 0 && s[2] == 0 && s[3] != 0 || s[0] != 0 && s[1] == 0 && s[2] != 0 && s[3] == 0
}

// looksUTF32 finds UTF-32: of four bytes, one letter has two or three that are NUL.
func looksUTF32(s string) bool {
	if len(s) < 4 {
		return false
	}
	return s[0] == 0 && s[1] == 0 && s[3] != 0 || s[0] != 0 && s[2] == 0 && s[3] == 0 && (s[1] == 0 || s[1] == 0xfe)
}

// guessLatin1 shows the letter that a lone byte is in the encoding that such
// files mostly have.
func guessLatin1(c byte) string {
	if c < 0xa0 {
		return ""
	}
	return fmt.Sprintf(" (in Latin-1 it is %q)", rune(c))
}

// yamlCharacter reports whether a file may have r; YAML 1.1, §5.1.
func yamlCharacter(r rune) bool {
	switch {
	case r == '\t', r == '\n', r == '\r', r == 0x85:
		return true
	case r < ' ', 0x7f <= r && r < 0xa0, r == 0xfeff, r == 0xfffe, r == 0xffff:
		return false
	}
	return true
}

func nameCharacter(r rune) string {
	switch r {
	case 0:
		return "a NUL byte"
	case 0xfeff:
		return "a byte order mark within the text"
	}
	return fmt.Sprintf("control character U+%04X", r)
}

func escapeCharacter(r rune) string {
	if r < 0x100 {
		return fmt.Sprintf(`\x%02X`, r)
	}
	return fmt.Sprintf(`\u%04X`, r)
}
