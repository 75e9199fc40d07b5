package store

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"time"
)

// files are the files of a home, by slash-separated names.
type files interface {
	// append opens a file to be appended to, which it makes with its folders if it has to.
	append(name string) (io.WriteCloser, error)
	// put writes a whole file at once: a crash of flow leaves all of it or nothing. With
	// sync it is on disk then, under its name.
	put(name string, data []byte, sync bool) error
	read(name string) ([]byte, error)
	open(name string) (io.ReadCloser, error)
	// readAt returns at most n bytes from a place on; none at or behind the end.
	readAt(name string, from int64, n int) ([]byte, error)
	stat(name string) (size int64, changed time.Time, err error)
	touch(name string) error // it changed now
	// list returns the names in a folder, sorted; none where there is no folder.
	list(dir string) ([]string, error)
	remove(name string) error // a file, or a folder with all in it
	onDisk() *disk            // nil: they are in memory
	close() error
}

// disk are files on disk.
type disk struct{ root *os.Root }

func (d *disk) append(name string) (io.WriteCloser, error) {
	const flags = os.O_APPEND | os.O_CREATE | os.O_WRONLY
	f, err := d.root.OpenFile(name, flags, 0o600)
	if os.IsNotExist(err) {
		if err := d.root.MkdirAll(path.Dir(name), 0o700); err != nil {
			return nil, err
		}
		f, err = d.root.OpenFile(name, flags, 0o600)
	}
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (d *disk) put(name string, data []byte, sync bool) error {
	dir := path.Dir(name)
	_, err := d.root.Stat(dir)
	made := os.IsNotExist(err)
	if err := d.root.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	temporary := name + temporaryMark + rand.Text() // another process may write the same
	f, err := d.root.OpenFile(temporary, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil && sync {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = d.root.Rename(temporary, name)
	}
	if err != nil {
		_ = d.root.Remove(temporary) // what is left of it is of no use
		return err
	}
	if sync {
		err = d.sync(dir)
	}
	if sync && made {
		err = errors.Join(err, d.sync(path.Dir(dir)))
	}
	return err
}

// temporaryMark is in the name of a file that is being written; a crash leaves it.
const temporaryMark = ".new-"

// sync puts the names in a folder on disk.
func (d *disk) sync(dir string) error {
	f, err := d.root.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func (d *disk) read(name string) ([]byte, error) { return d.root.ReadFile(name) }

func (d *disk) open(name string) (io.ReadCloser, error) {
	f, err := d.root.Open(name)
	if err != nil {
		return nil, err // no *os.File that is nil
	}
	return f, nil
}

func (d *disk) readAt(name string, from int64, n int) ([]byte, error) {
	f, err := d.root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b := make([]byte, n)
	k, err := f.ReadAt(b, from)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return b[:k], err
}

func (d *disk) stat(name string) (int64, time.Time, error) {
	info, err := d.root.Stat(name)
	if err != nil {
		return 0, time.Time{}, err
	}
	return info.Size(), info.ModTime(), nil
}

func (d *disk) touch(name string) error {
	now := time.Now()
	return d.root.Chtimes(name, now, now)
}

func (d *disk) list(dir string) ([]string, error) {
	entries, err := fs.ReadDir(d.root.FS(), dir)
	if os.IsNotExist(err) {
		return nil, nil
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, err
}

func (d *disk) remove(name string) error { return d.root.RemoveAll(name) }
func (d *disk) close() error             { return d.root.Close() }
func (d *disk) onDisk() *disk            { return d }

// memory are files that are none.
type memory struct {
	owned sync.Map // the locks that are held, by name
	mu    sync.Mutex
	files map[string]*bytes.Buffer
}

func newMemory() *memory { return &memory{files: make(map[string]*bytes.Buffer)} }

type memoryFile struct {
	of   *memory
	name string
}

func (f memoryFile) Write(p []byte) (int, error) {
	f.of.mu.Lock()
	defer f.of.mu.Unlock()
	b := f.of.files[f.name]
	if b == nil { // it was removed: nobody will read it
		return len(p), nil
	}
	return b.Write(p)
}

func (memoryFile) Close() error { return nil }

func (m *memory) append(name string) (io.WriteCloser, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.files[name] == nil {
		m.files[name] = new(bytes.Buffer)
	}
	return memoryFile{m, name}, nil
}

func (m *memory) put(name string, data []byte, _ bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.files[name] = bytes.NewBuffer(bytes.Clone(data))
	return nil
}

func (m *memory) read(name string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b := m.files[name]
	if b == nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return bytes.Clone(b.Bytes()), nil
}

func (m *memory) open(name string) (io.ReadCloser, error) {
	b, err := m.read(name)
	return io.NopCloser(bytes.NewReader(b)), err
}

func (m *memory) readAt(name string, from int64, n int) ([]byte, error) {
	b, err := m.read(name)
	if err != nil {
		return nil, err
	}
	from = min(from, int64(len(b)))
	return b[from:min(from+int64(n), int64(len(b)))], nil
}

func (m *memory) stat(name string) (int64, time.Time, error) {
	b, err := m.read(name)
	return int64(len(b)), time.Time{}, err // when is not kept
}

func (m *memory) touch(name string) error {
	_, _, err := m.stat(name) // when is not kept
	return err
}

func (m *memory) list(dir string) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var names []string
	for name := range m.files {
		if rest, ok := strings.CutPrefix(name, dir+"/"); ok {
			first, _, _ := strings.Cut(rest, "/")
			names = append(names, first)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

func (m *memory) remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for other := range m.files {
		if other == name || strings.HasPrefix(other, name+"/") {
			delete(m.files, other)
		}
	}
	return nil
}

func (m *memory) close() error  { return nil }
func (m *memory) onDisk() *disk { return nil }
