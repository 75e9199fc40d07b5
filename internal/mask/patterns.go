package mask

import (
	"encoding/base64"
	"encoding/json"
	"html"
	"slices"
	"strings"
)

// patterns are the texts that stand for a secret.
func patterns(secret string) []string {
	var all []string
	whole := strings.TrimSpace(secret)
	parts := []string{whole}
	if strings.Contains(whole, "\n") {
		for line := range strings.Lines(whole) {
			parts = append(parts, strings.TrimSpace(line))
		}
	}
	for _, p := range parts {
		if len(p) < Least {
			continue
		}
		all = append(all, p)
		all = append(all, inBase64(p)...)
		all = append(all, inURL(p)...)
		all = append(all, quoted(p)...)
	}
	if len(whole) >= Least && secret != whole {
		all = append(all, base64.StdEncoding.EncodeToString([]byte(secret)))
	}
	return slices.DeleteFunc(all, func(p string) bool { return len(p) < Least })
}

// inBase64 is a secret in base64: alone, with a line's end after it, broken into lines,
// and somewhere in a longer text, where its first and last characters depend on what
// stands around it and are not masked.
func inBase64(s string) []string {
	var all []string
	for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
		raw := enc.WithPadding(base64.NoPadding)
		for _, text := range []string{s, s + "\n"} {
			all = append(all, enc.EncodeToString([]byte(text)), raw.EncodeToString([]byte(text)))
		}
		for _, width := range []int{64, 76} { // as PEM and MIME have it
			for line := range slices.Chunk([]byte(enc.EncodeToString([]byte(s+"\n"))), width) {
				all = append(all, string(line))
			}
		}
		for before := range 3 {
			text := raw.EncodeToString(append(make([]byte, before), s...))
			first := (8*before + 5) / 6
			all = append(all, text[first:8*(before+len(s))/6])
		}
	}
	return all
}

// inURL is a secret as different libraries encode it for a URL.
func inURL(s string) []string {
	var all []string
	for _, plain := range []string{
		"-_.~",                // RFC 3986
		"-_.~/",               // Python's quote
		"-_.!~*'()",           // JavaScript's encodeURIComponent
		"-_.~$&+:=@",          // Go's PathEscape
		"-_.~!$&'()*+,;=:@/?", // what a URL may have unescaped
	} {
		for _, blank := range []string{"%20", "+"} {
			for _, digits := range []string{"0123456789ABCDEF", "0123456789abcdef"} {
				all = append(all, percent(s, plain, blank, digits))
			}
		}
	}
	return all
}

func percent(s, plain, blank, digits string) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte(plain, c) >= 0:
			b.WriteByte(c)
		case c == ' ':
			b.WriteString(blank)
		default:
			b.WriteByte('%')
			b.WriteByte(digits[c>>4])
			b.WriteByte(digits[c&15])
		}
	}
	return b.String()
}

// quoted is a secret as it stands within quotes, in JSON, a shell's and HTML.
func quoted(s string) []string {
	all := []string{html.EscapeString(s), strings.ReplaceAll(s, "'", `'\''`), strings.ReplaceAll(s, "'", `'"'"'`)}
	for _, escape := range []bool{false, true} {
		var b strings.Builder
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(escape)
		if err := enc.Encode(s); err == nil {
			all = append(all, strings.TrimSuffix(b.String(), "\n")[1:b.Len()-2])
		}
	}
	return all
}
