//go:build linux

package executor_test

import (
	"bytes"
	"encoding/hex"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"flow/executor"
	"flow/internal/wire"
)

func protocolBlocks(t *testing.T, info string) []string {
	t.Helper()
	text, err := os.ReadFile("../docs/worker-protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, m := range regexp.MustCompile("(?s)```"+info+"\n(.*?)```").FindAllSubmatch(text, -1) {
		found = append(found, string(m[1]))
	}
	if len(found) == 0 {
		t.Fatalf("docs/worker-protocol.md has no %s", info)
	}
	return found
}

// The frames of the example are such, and those of the pool are what it really sends.
func TestProtocolExample(t *testing.T) {
	want := []wire.Frame{
		{Header: wire.Header{Type: wire.Hello, Protocol: 1, Lang: "sh"}},
		{Header: wire.Header{Type: wire.Init}},
		{Header: wire.Header{Type: wire.Ready}},
		{Header: wire.Header{Type: wire.Call, ID: 1, Function: "upper"}, Blobs: [][]byte{[]byte(`"café"`)}},
		{Header: wire.Header{Type: wire.Result, ID: 1}, Blobs: [][]byte{[]byte(`"CAFÉ"`)}},
	}
	blocks := protocolBlocks(t, "hex")
	if len(blocks) != len(want) {
		t.Fatalf("%d frames", len(blocks))
	}
	for i, block := range blocks {
		var data []byte
		for line := range strings.Lines(block) {
			digits, _, _ := strings.Cut(line, "  ")
			b, err := hex.DecodeString(strings.ReplaceAll(digits, " ", ""))
			if err != nil {
				t.Fatal(err)
			}
			data = append(data, b...)
		}
		var sent bytes.Buffer
		if err := wire.Write(&sent, want[i].Header, want[i].Blobs); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(data, sent.Bytes()) {
			t.Errorf("frame %d is %q, not %q", i, sent.Bytes(), data)
		}
	}
}

// The worker of the page works.
func TestProtocolWorker(t *testing.T) {
	if python() == "" {
		t.Skip("no python3")
	}
	file := filepath.Join(t.TempDir(), "worker.py")
	if err := os.WriteFile(file, []byte(protocolBlocks(t, "python")[0]), 0o644); err != nil {
		t.Fatal(err)
	}
	p := newProcesses(t, executor.Command(python(), file), executor.MaxWorkers(2))
	for _, text := range []string{"café", strings.Repeat("x", 100)} {
		if got := value(t, executor.Call[string, string](t.Context(), p, "upper", text)); got != strings.ToUpper(text) {
			t.Error(got)
		}
	}
	_, err := result(t, executor.Call[int, string](t.Context(), p, "upper", 1))
	if e := remote(t, err); e.Type != "TypeError" || e.Lang != "example" {
		t.Errorf("%+v", e)
	}
}
