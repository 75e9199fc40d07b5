package dag

import (
	"slices"
	"testing"
)

func TestScriptCommand(t *testing.T) {
	w := testWorkflow()
	for script, want := range map[string][]string{
		"true":                        {"true"},
		"false\n":                     {"false"},
		"./load a.csv":                {"./load", "a.csv"},
		"  sleep   5  ":               {"sleep", "5"},
		"rsync --delete a/ host:b/":   {"rsync", "--delete", "a/", "host:b/"},
		`grep "a  b" x`:               {"grep", "a  b", "x"},
		`grep '$x *' "" ''`:           {"grep", "$x *", "", ""},
		`p "a"'b'c`:                   {"p", "abc"},
		`p "a\$b\x"`:                  {"p", `a$b\x`},
		"p a=b # and a comment":       {"p", "a=b"},
		"# first\nsort -u \\\n  file": {"sort", "-u", "file"},
		`"my prog" x`:                 {"my prog", "x"},
		"p 'two\nlines'":              {"p", "two\nlines"},

		"":                   nil,
		"# nothing":          nil,
		"echo a":             nil, // a builtin
		`"echo" a`:           nil,
		"[ -e x ]":           nil,
		"exec ls":            nil,
		"command ls":         nil,
		"ls a; ls b":         nil,
		"ls\nls":             nil,
		"ls | sort":          nil,
		"ls &":               nil,
		"! ls":               nil,
		"ls > out":           nil,
		"A=1 ls":             nil,
		"A=1":                nil,
		"ls $HOME":           nil,
		`ls "$HOME"`:         nil,
		"ls $(pwd)":          nil,
		"ls `pwd`":           nil,
		"ls *":               nil,
		"ls a?":              nil,
		"ls [a]":             nil,
		"ls ~":               nil,
		"ls a{b,c}":          nil,
		`ls a\ b`:            nil,
		"(ls)":               nil,
		"{ ls; }":            nil,
		"if ls; then ls; fi": nil,
		"f() { ls; }":        nil,
		"''":                 nil,
		"ls ${{ params.s }}": nil,
		"ls é":               nil,
	} {
		c, _ := testCompiler(w)
		s := c.script(testText(script), inRun, nil, w.Tasks[3])
		if got := s.Command(); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", script, got, want)
		}
	}
}
