//go:build unix

package executor

import (
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"flow/internal/wire"
)

// Runtime is what the workers of a ProcessPool are: Self, Python, Node or Command.
type Runtime struct {
	name string // for people
	argv func() ([]string, error)
	shim string // the program that the interpreter is sent first
	hint string // what may be wrong where it does not answer
}

func (r Runtime) applyProcess(o *processOptions) error {
	if r.argv == nil {
		return errors.New("Runtime: the zero value is none: use Self, Python, Node or Command")
	}
	if o.runtime.argv != nil {
		return fmt.Errorf("%s and %s: a pool has one runtime", o.runtime.name, r.name)
	}
	o.runtime = r
	return nil
}

// Self has this program, started again, as the workers: its main calls [Main] first, and
// Call names functions of the Registry that Main is given.
func Self() Runtime {
	return Runtime{name: "Self", hint: "does main call executor.Main first?", argv: func() ([]string, error) {
		if os.Getenv(wire.Marker) != "" {
			return nil, errors.New("Self: this process is a worker itself: call executor.Main first in main")
		}
		path, err := os.Executable()
		return []string{path}, err
	}}
}

//go:embed shim/worker.py
var pythonShim string

//go:embed shim/worker.js
var nodeShim string

// The interpreters read the shim from the pipe, so that there is no file to install, to
// find or to import by accident. Python puts the current folder before all others for
// -c, and would import from there.
const (
	pythonBoot = `import sys
if sys.path[:1] == ['']: del sys.path[0]
import os
n = int.from_bytes(os.read(3, 4), 'big')
b = b''
while len(b) < n: b += os.read(3, n - len(b)) or sys.exit(1)
exec(compile(b, 'flow-worker.py', 'exec'), {'__name__': '__main__', '__shim__': 'flow-worker.py'})`
	nodeBoot = `const fs = require('fs'), h = Buffer.alloc(4); fs.readSync(3, h);
const b = Buffer.alloc(h.readUInt32BE());
for (let at = 0; at < b.length;) { const n = fs.readSync(3, b, at, b.length - at); if (!n) process.exit(1); at += n; }
eval(b.toString() + '\n//# sourceURL=flow-worker.js')`
)

// Python has workers of Python 3.8 and later; path is the interpreter, looked up in PATH
// where it has no slash. Call names functions as module:function; modules come from Path,
// PYTHONPATH and the installed ones, never from the current folder.
func Python(path string) Runtime { return interpreter("Python", path, "-c", pythonBoot, pythonShim) }

// Node has workers of Node.js 18 and later; path is the interpreter, looked up in PATH
// where it has no slash. Call names functions as module:function; modules, of either
// kind, come from Path, what is installed there, and NODE_PATH.
func Node(path string) Runtime { return interpreter("Node", path, "-e", nodeBoot, nodeShim) }

func interpreter(name, path, flag, boot, shim string) Runtime {
	return Runtime{
		name: fmt.Sprintf("%s(%q)", name, path),
		shim: shim,
		hint: "is it the interpreter?",
		argv: func() ([]string, error) {
			if path == "" {
				return nil, fmt.Errorf("%s: no interpreter", name)
			}
			return []string{path, flag, boot}, nil
		},
	}
}

// Command has a program as the workers that speaks the protocol of
// docs/worker-protocol.md.
func Command(argv ...string) Runtime {
	return Runtime{name: "Command", hint: "does it speak the protocol?", argv: func() ([]string, error) {
		if len(argv) == 0 || argv[0] == "" {
			return nil, errors.New("Command: no program")
		}
		return argv, nil
	}}
}

// preamble is what a worker is sent before the first frame.
func (r Runtime) preamble() []byte {
	if r.shim == "" {
		return nil
	}
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(r.shim))), r.shim...)
}
