package cli

import (
	"database/sql"
	"flag"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == sweepName { // the watcher of a flow that was killed
		os.Exit(Main(os.Args[1:], os.Stdout, os.Stderr))
	}
	testscript.Main(m, map[string]func(){
		"flow": func() { os.Exit(Main(os.Args[1:], os.Stdout, os.Stderr)) },
		"tear": tear,
	})
}

// TestScripts runs the command line as people do: one script for each command
// and for each of its promises.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("TMPDIR", filepath.Join(e.WorkDir, "tmp"))
			e.Setenv("HOME", filepath.Join(e.WorkDir, "home"))
			return os.MkdirAll(filepath.Join(e.WorkDir, "tmp"), 0o700)
		},
		Condition: func(cond string) (bool, error) {
			name, ok := strings.CutPrefix(cond, "have:")
			if !ok {
				return false, os.ErrInvalid
			}
			_, err := exec.LookPath(name)
			return err == nil, nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"empty": emptyFolder,
		},
	})
}

// emptyFolder checks that nothing is in a folder.
func emptyFolder(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: empty folder")
	}
	entries, err := os.ReadDir(ts.MkAbs(args[0]))
	ts.Check(err)
	for _, e := range entries {
		ts.Fatalf("%s is not empty: %s is in it", args[0], e.Name())
	}
}

// tear makes the newest run's events unreadable from one on; with -running it has not ended.
func tear() {
	from := flag.Int("from", 0, "")
	running := flag.Bool("running", false, "")
	flag.Parse()
	db, err := sql.Open("sqlite", filepath.Join(os.Getenv("FLOW_HOME"), "flow.db"))
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(`UPDATE events SET data = x'00' WHERE run = (SELECT max(num) FROM runs) AND seq >= ?`, *from); err != nil {
		log.Fatal(err)
	}
	if !*running {
		return
	}
	if _, err := db.Exec(`UPDATE runs SET ended = 0, status = 'running', summary = NULL WHERE num = (SELECT max(num) FROM runs)`); err != nil {
		log.Fatal(err)
	}
}
