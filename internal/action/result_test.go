package action

import (
	"bytes"
	"io"
	"testing"

	"flow/dag"
)

// A result of just MaxResult bytes is kept whole; one byte more, and nothing is.
func TestCaptureKeepsAllOrNothing(t *testing.T) {
	piece := bytes.Repeat([]byte("x"), 1<<20)
	c := &capture{to: io.Discard, keep: true}
	a := &Attempt{Task: &dag.Task{}}
	for range MaxResult / len(piece) {
		if n, err := c.Write(piece); n != len(piece) || err != nil {
			t.Fatal(n, err)
		}
	}
	v, err := a.result(&surroundings{resultFile: "/no/such/file"}, c)
	if text, ok := v.(string); !ok || len(text) != MaxResult || err != nil {
		t.Fatalf("%T, %v", v, err)
	}
	if n, err := c.Write(piece[:1]); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	if v, err = a.result(&surroundings{resultFile: "/no/such/file"}, c); v != nil || err == nil || c.buf.Cap() > 0 {
		t.Fatalf("%T, %v, %d bytes are still kept", v, err, c.buf.Cap())
	}
}
