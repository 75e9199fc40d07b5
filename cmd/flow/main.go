// Command flow runs workflows: see `flow --help`.
package main

import (
	"os"
	_ "time/tzdata" // zones also where the system has none

	"flow/internal/cli"
)

func main() {
	os.Exit(cli.Main(os.Args[1:], os.Stdout, os.Stderr))
}
