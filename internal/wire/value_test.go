package wire

import (
	"bytes"
	"errors"
	"io"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
)

type row struct {
	ID   int64  `json:"id"`
	Text string `json:"text"`
	Raw  []byte `json:"raw,omitempty"`
	Any  any    `json:"any,omitempty"`
}

func TestValues(t *testing.T) {
	long := strings.Repeat("é", longText)
	for name, v := range map[string]any{
		"number":         int64(math.MaxInt64),
		"text":           `a "$flow:bytes": 1 of <users> & others`,
		"long text":      long,
		"bytes":          []byte{0, 255, '\n'},
		"no bytes":       []byte{},
		"struct":         row{1, long, []byte("x"), []any{"a", 1.5, map[string]any{"k": long, "b": []byte("b")}}},
		"list":           []row{{ID: 1}, {ID: 2, Raw: bytes.Repeat([]byte("ab"), 4<<20)}},
		"map":            map[string][]byte{"a": []byte("1"), strings.Repeat("k", longText): []byte("2")},
		"time":           time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC),
		"duration":       time.Second,
		"nothing at all": map[string]any(nil),
	} {
		blobs, err := Encode(v, false)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		out := reflect.New(reflect.TypeOf(v))
		if err := Decode(blobs, out.Interface()); err != nil {
			t.Errorf("%s: %v: %.100s", name, err, blobs[0])
		} else if got := out.Elem().Interface(); !reflect.DeepEqual(got, v) && name != "nothing at all" {
			t.Errorf("%s: got %.100v", name, got)
		}
		if name == "struct" && len(blobs) != 5 {
			t.Errorf("%s: %d blobs", name, len(blobs))
		}
	}
}

func TestValuesThatCantBeEncoded(t *testing.T) {
	for name, c := range map[string]struct {
		v          any
		path, says string
	}{
		"function":             {map[string]any{"rows": []any{1, func() {}}}, "/rows/1", "func()"},
		"NaN":                  {[]float64{1, math.NaN()}, "/1", "NaN"},
		"channel":              {make(chan int), "", "chan int"},
		"UTF-8":                {[]string{"ok", "\xff"}, "/1", "UTF-8"},
		"long UTF-8":           {[]string{"ok", strings.Repeat("\xff", longText)}, "/1", "UTF-8"},
		"reserved":             {map[string]any{"a": map[string]any{"$flow:bytes": 1}}, "/a/$flow:bytes", "reserved"},
		"reserved beside ours": {[]any{[]byte("x"), map[string]any{"$flow:x": 1}}, "/1/$flow:x", "reserved"},
		"marshaler":            {map[string]any{"t": failing{}}, "/t", "no luck"},
	} {
		_, err := Encode(c.v, false)
		var e *EncodeError
		if !errors.As(err, &e) || e.Path != c.path || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %#v: %v", name, e, err)
		}
	}
	if _, err := Encode([]any{[]byte("x")}, true); err == nil || !strings.Contains(err.Error(), "/0") {
		t.Errorf("bytes in a plain value: %v", err)
	}
}

type failing struct{}

func (failing) MarshalJSON() ([]byte, error) { return nil, errors.New("no luck") }

func TestLists(t *testing.T) {
	var e Encoder
	var want []any
	for _, v := range []any{1.0, []byte("abc"), func() {}, []any{[]byte("x"), func() {}}, strings.Repeat("x", longText), "end"} {
		if e.Add(v) == nil {
			want = append(want, v)
		}
	}
	if e.Len() != 4 {
		t.Fatal(e.Len())
	}
	blobs := e.List()
	elements, err := Elements(blobs)
	if err != nil || len(elements) != 4 || len(blobs) != 3 {
		t.Fatal(err, len(elements), len(blobs))
	}
	for i, el := range elements {
		var v any
		if err := DecodeElement(el, blobs, &v); err != nil || !reflect.DeepEqual(v, want[i]) {
			t.Errorf("%d: %v, %v", i, v, err)
		}
	}
	if elements, err := Elements((&Encoder{}).List()); err != nil || len(elements) != 0 {
		t.Error(elements, err)
	}
}

func TestValuesThatDontFit(t *testing.T) {
	for name, c := range map[string]struct {
		json  string
		blobs []string
		out   any
		path  string
	}{
		"type":           {`{"id": "x"}`, nil, new(row), "/id"},
		"no such blob":   {`{"raw": {"$flow:bytes": 2}}`, []string{"a"}, new(row), "/raw"},
		"negative":       {`[{"$flow:bytes": -1}]`, []string{"a"}, new(any), ""},
		"not a number":   {`[{"$flow:text": "x"}]`, []string{"a"}, new(any), ""},
		"text for bytes": {`{"raw": {"$flow:text": 1}}`, []string{"a"}, new(row), "/raw"},
		"syntax":         {`{"id"`, nil, new(row), ""},
		"twice":          {`{"id":1,"id":2}`, nil, new(row), ""},
	} {
		blobs := [][]byte{[]byte(c.json)}
		for _, b := range c.blobs {
			blobs = append(blobs, []byte(b))
		}
		err := Decode(blobs, c.out)
		var e *DecodeError
		if !errors.As(err, &e) || c.path != "" && e.Path != c.path {
			t.Errorf("%s: %#v %v", name, e, err)
		}
	}
	if err := Decode(nil, new(int)); err == nil {
		t.Error("no blob is a value")
	}
}

func TestFrames(t *testing.T) {
	var b bytes.Buffer
	big := bytes.Repeat([]byte("x"), 3<<20)
	frames := []Frame{
		{Header{Type: Call, ID: 7, Function: "m:f"}, [][]byte{[]byte("1"), {}, big, []byte("end")}},
		{Header{Type: Hello, Protocol: 1}, nil},
		{Header{Type: Results, ID: 8, Errors: []Error{{Item: 1, Type: "T", Message: "m"}}}, [][]byte{[]byte("[]")}},
	}
	for _, f := range frames {
		if err := Write(&b, f.Header, f.Blobs); err != nil {
			t.Fatal(err)
		}
	}
	whole := b.Bytes()
	r := NewReader(&b)
	for i, want := range frames {
		f, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		f.Header.Blobs = nil
		if !reflect.DeepEqual(f.Header, want.Header) || len(f.Blobs) != len(want.Blobs) {
			t.Fatalf("%d: %+v", i, f.Header)
		}
		for k := range f.Blobs {
			if !bytes.Equal(f.Blobs[k], want.Blobs[k]) {
				t.Errorf("%d: blob %d differs", i, k)
			}
		}
	}
	if _, err := r.Next(); err != io.EOF {
		t.Error(err)
	}
	r = NewReader(bytes.NewReader(whole[:len(whole)/2]))
	if _, err := r.Next(); err != io.ErrUnexpectedEOF {
		t.Error(err)
	}
}

// What is written and read without package json is the same as with it.
func TestPlainFrames(t *testing.T) {
	for _, h := range []Header{{Type: Call, ID: 1, Function: `m:f"\u00e9`}, {Type: Result, ID: math.MaxInt64 / 100}} {
		var quick, plain bytes.Buffer
		blobs := [][]byte{[]byte("12345")}
		if err := Write(&quick, h, blobs); err != nil {
			t.Fatal(err)
		}
		f, err := NewReader(bytes.NewReader(quick.Bytes())).Next()
		if err != nil {
			t.Fatal(err)
		}
		var known Header
		if err := json.Unmarshal(quick.Bytes()[4:quick.Len()-5], &known); err != nil || !reflect.DeepEqual(known, f.Header) {
			t.Errorf("%+v, %+v, %v", f.Header, known, err)
		}
		h.Items = 1
		if err := Write(&plain, h, blobs); err != nil {
			t.Fatal(err)
		}
		f.Items = 1
		if g, err := NewReader(&plain).Next(); err != nil || !reflect.DeepEqual(f, g) {
			t.Errorf("%+v, %+v, %v", f, g, err)
		}
	}
	if err := Write(io.Discard, Header{Type: Call, Function: "\xff"}, [][]byte{nil}); err == nil {
		t.Error("a name that is no UTF-8")
	}
	for _, head := range []string{`{"type":"result","id":1,"blobs":[1,2]}`, `{"type":"result","id":-1,"blobs":[1]}`, `{"type":"result","id":1,"blobs":[1]},"x":1}`,
		`{"type":"result","id":1,"blobs":[99999999999999999999]}`, `{"type":"result","id": 1,"blobs":[1]}`} {
		if parseResult([]byte(head), new(Header)) {
			t.Error(head)
		}
	}
}

func FuzzReader(f *testing.F) {
	var b bytes.Buffer
	_ = Write(&b, Header{Type: Call, ID: 7, Function: "m:f"}, [][]byte{[]byte(`[{"$flow:bytes":1}]`), []byte("x")})
	f.Add(b.Bytes())
	f.Add([]byte("\x00\x00\x00\x1e{\"type\":\"x\",\"blobs\":[1000000]}"))
	f.Add([]byte("\xff\xff\xff\xff{"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := NewReader(bytes.NewReader(data))
		for {
			f, err := r.Next()
			if err != nil {
				return
			}
			held := 0
			for _, b := range f.Blobs {
				held += len(b)
				if cap(b) > 2*len(b)+step {
					t.Fatalf("%d bytes for %d", cap(b), len(b))
				}
			}
			if held > len(data) {
				t.Fatalf("%d bytes of blobs from %d", held, len(data))
			}
			var v any
			_ = Decode(f.Blobs, &v)
			var rows []row
			_ = Decode(f.Blobs, &rows)
			if list, err := Elements(f.Blobs); err == nil {
				for _, el := range list {
					_ = DecodeElement(el, f.Blobs, &v)
				}
			}
		}
	})
}
