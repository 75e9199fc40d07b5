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
	found := make(map[[2]string]string) // what is wrong with a program, by PATH and name
	wrong := func(t *dag.Task, name, dir string) string {
		if strings.Contains(name, "/") {
			if !filepath.IsAbs(name) {
				name = filepath.Join(dir, name)
			}
			return notRunnable(name)
		}
		path, known := pathOf(t)
		if !known {
			return ""
		}
		key := [2]string{path, name}
		if _, known := found[key]; !known {
			found[key] = notOnPath(path, name)
		}
		return found[key]
	}
	from := Sources{Environ: os.Environ(), Dir: w.Dir}
	secrets := make(map[string]string) // what is wrong with one, by name
	for i := range w.Secrets {
		secrets[w.Secrets[i].Name] = from.lacks(&w.Secrets[i])
	}
	return func(t *dag.Task) (string, []string) {
		for _, name := range t.Secrets {
			if why := secrets[name]; why != "" {
				return why, nil
			}
		}
		x, _ := w.Executor(t.Executor)
		if _, err := For(t, Place{Process: x != nil && x.Process}); err != nil {
			return err.Error(), nil
		}
		if _, is := t.Action.(dag.Call); is && x != nil && x.Runtime != "" {
			if name := InterpreterOf(x, w.Dir); wrong(t, name, w.Dir) != "" {
				return name + " " + wrong(t, name, w.Dir), nil
			}
			for _, path := range x.Path {
				if !filepath.IsAbs(path) {
					path = filepath.Join(w.Dir, path)
				}
				if info, err := os.Stat(path); err != nil || !info.IsDir() {
					return fmt.Sprintf("path %s of executor %s is no folder", path, x.Name), nil
				}
			}
			return "", nil
		}
		dir, known := folder(w, t)
		if known {
			switch info, err := os.Stat(dir); {
			case err != nil:
				return fmt.Sprintf("dir %s does not exist", dir), nil
			case !info.IsDir():
				return fmt.Sprintf("dir %s is no folder", dir), nil
			}
		}
		switch a := t.Action.(type) {
		case dag.Exec:
			if name, ok := a.Argv[0].Literal(); ok {
				if why := wrong(t, dag.Text(name), dir); why != "" {
					return dag.Text(name) + " " + why, nil
				}
			}
		case dag.Run:
			if len(t.Shell) > 0 {
				if why := wrong(t, t.Shell[0], dir); why != "" {
					return "shell " + t.Shell[0] + " " + why, nil
				}
			}
			var missing []string
			for _, name := range a.Script.Programs() {
				if why := wrong(t, name, dir); why != "" {
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

// pathOf is the PATH of a task's command, and whether it is known now.
func pathOf(t *dag.Task) (string, bool) {
	for _, b := range t.Env {
		if b.Name == "PATH" {
			v, ok := b.Value.Literal()
			return dag.Text(v), ok
		}
	}
	return os.Getenv("PATH"), true
}

// notOnPath says why a program can't be started, "" if it can: relative folders
// of PATH don't count, as where it is started.
func notOnPath(path, name string) string {
	for _, dir := range filepath.SplitList(path) {
		if filepath.IsAbs(dir) && notRunnable(filepath.Join(dir, name)) == "" {
			return ""
		}
	}
	return "is no program in PATH"
}

func notRunnable(name string) string {
	info, err := os.Stat(name)
	switch {
	case err != nil:
		return "does not exist"
	case info.IsDir():
		return "is a folder"
	case info.Mode()&0o111 == 0:
		return "is not executable"
	}
	return ""
}
