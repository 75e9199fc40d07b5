package docs_test

import (
	"bytes"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"flow/internal/cli"
)

var (
	commandLine = regexp.MustCompile(`(?m)^  (\w+) +\S.*$`)
	usageLine   = regexp.MustCompile(`(?m)^Usage:\n  (.*?)(?: \[flags\])?$`)
	flagOfHelp  = regexp.MustCompile(`(?m)^ +(?:-(\w), |    )--([\w-]+)`)
	headline    = regexp.MustCompile("(?m)^## `(.*)`$")
	flagOfDoc   = regexp.MustCompile("`(-[\\w-]+)[^`]*`")
)

// help is what `flow … --help` prints.
func help(t *testing.T, args ...string) string {
	t.Helper()
	var out, talk bytes.Buffer
	if code := cli.Main(append(args, "--help"), &out, &talk); code != 0 {
		t.Fatalf("flow %s --help: exit code %d: %s", strings.Join(args, " "), code, talk.String())
	}
	return out.String()
}

// commands are those of the real command line: usage and flags.
func commands(t *testing.T) map[string][]string {
	t.Helper()
	found := map[string][]string{"flow": flagsOf(help(t))}
	collect(t, found)
	return found
}

// collect adds the commands below one, but not those that only have others.
func collect(t *testing.T, found map[string][]string, parent ...string) {
	t.Helper()
	text := help(t, parent...)
	list := text[strings.Index(text, "Available Commands:"):strings.Index(text, "\nFlags:")]
	for _, m := range commandLine.FindAllStringSubmatch(list, -1) {
		command := append(slices.Clone(parent), m[1])
		text := help(t, command...)
		if strings.Contains(text, "\nAvailable Commands:") {
			collect(t, found, command...)
			continue
		}
		usage := usageLine.FindStringSubmatch(text)
		if usage == nil {
			t.Fatalf("flow %s --help shows no usage", strings.Join(command, " "))
		}
		found[usage[1]] = flagsOf(text)
	}
}

func flagsOf(help string) []string {
	var flags []string
	for _, m := range flagOfHelp.FindAllStringSubmatch(help, -1) {
		if m[2] == "help" {
			continue
		}
		flags = append(flags, "--"+m[2])
		if m[1] != "" {
			flags = append(flags, "-"+m[1])
		}
	}
	slices.Sort(flags)
	return flags
}

// TestCommands: the reference has every command and flag, and no other.
func TestCommands(t *testing.T) {
	text, err := os.ReadFile("cli.md")
	if err != nil {
		t.Fatal(err)
	}
	real, told := commands(t), make(map[string][]string)
	heads := headline.FindAllStringSubmatchIndex(string(text), -1)
	for k, at := range heads {
		end := len(text)
		if k+1 < len(heads) {
			end = heads[k+1][0]
		}
		told[string(text[at[2]:at[3]])] = flagsTold(string(text[at[1]:end]))
	}
	for _, usage := range slices.Sorted(maps.Keys(real)) {
		flags, ok := told[usage]
		if !ok {
			t.Errorf("cli.md has no section `%s`", usage)
			continue
		}
		if want := real[usage]; !slices.Equal(flags, want) {
			t.Errorf("cli.md: %s has the flags %v, cli.md says %v", usage, want, flags)
		}
	}
	for usage := range told {
		if _, ok := real[usage]; !ok {
			t.Errorf("cli.md tells of `%s`, which does not exist", usage)
		}
	}
}

// flagsTold are the flags in the first column of a section's table.
func flagsTold(section string) []string {
	if k := strings.Index(section, "\n## "); k >= 0 {
		section = section[:k]
	}
	var flags []string
	for line := range strings.Lines(section) {
		if !strings.HasPrefix(line, "| `-") {
			continue
		}
		for _, m := range flagOfDoc.FindAllStringSubmatch(strings.SplitN(line, "|", 3)[1], -1) {
			flags = append(flags, m[1])
		}
	}
	slices.Sort(flags)
	return flags
}

// TestExamplesOfHelp: each command shows an example.
func TestExamplesOfHelp(t *testing.T) {
	for usage := range commands(t) {
		words := strings.Fields(usage)[1:]
		for k, word := range words {
			if strings.ToLower(word) != word || strings.HasPrefix(word, "[") { // an argument
				words = words[:k]
				break
			}
		}
		if len(words) > 0 && !strings.Contains(help(t, words...), "Examples:\n  flow "+strings.Join(words, " ")) {
			t.Errorf("%s --help has no example", usage)
		}
	}
}
