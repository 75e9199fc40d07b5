package action

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"flow/dag"
)

// Look returns what tells, for a task, what this machine lacks for it: why it
// can't run at all ("" if it can), and which programs its script names in vain.
// It only looks: it starts nothing and writes nothing.
func Look(w *dag.Workflow) func(*dag.Task) (blocked string, missing []string) {
	found := make(map[string]bool) // programs that were looked up
	has := func(name, dir string) bool {
		if strings.Contains(name, "/") {
			if !filepath.IsAbs(name) {
				name = filepath.Join(dir, name)
			}
			return runnable(name)
		}
		if _, known := found[name]; !known {
			found[name] = onPath(name)
		}
		return found[name]
	}
	return func(t *dag.Task) (string, []string) {
		x, _ := w.Executor(t.Executor)
		if _, err := For(t, x != nil && x.Process); err != nil {
			return err.Error(), nil
		}
		dir, known := folder(w, t)
		if known {
			if info, err := os.Stat(dir); err != nil || !info.IsDir() {
				return fmt.Sprintf("dir %s does not exist", dir), nil
			}
		}
		switch a := t.Action.(type) {
		case dag.Exec:
			if name, ok := a.Argv[0].Literal(); ok && !has(dag.Text(name), dir) {
				return fmt.Sprintf("there is no program %s", dag.Text(name)), nil
			}
		case dag.Run:
			if len(t.Shell) > 0 && !has(t.Shell[0], dir) {
				return fmt.Sprintf("there is no shell %s", t.Shell[0]), nil
			}
			var missing []string
			for _, name := range a.Script.Programs() {
				if !has(name, dir) {
					missing = append(missing, name)
				}
			}
			return "", missing
		}
		return "", nil
	}
}

// folder is where a task's command runs, and whether that is known now.
func folder(w *dag.Workflow, t *dag.Task) (string, bool) {
	if t.Dir == nil {
		return w.Dir, true
	}
	v, ok := t.Dir.Literal()
	if !ok {
		return w.Dir, false
	}
	if d := dag.Text(v); filepath.IsAbs(d) {
		return d, true
	} else {
		return filepath.Join(w.Dir, d), true
	}
}

func onPath(name string) bool {
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		if runnable(filepath.Join(dir, name)) {
			return true
		}
	}
	return false
}

func runnable(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}
