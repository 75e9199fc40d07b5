package action

import (
	"context"
	"slices"
)

// plainTests makes `[ … ]` and `test …` of at most four operands mean in the shell
// inside flow what POSIX says of them: by their number, whatever they hold. That
// shell takes an operand that is "(", "!" or "-n" for an operator even where it is
// compared.
func plainTests(_ context.Context, args []string) ([]string, error) {
	if len(args) < 2 {
		return args, nil
	}
	last := len(args)
	switch {
	case args[0] == "[" && args[last-1] == "]":
		last--
	case args[0] != "test":
		return args, nil
	}
	return slices.Concat(args[:1], plainTest(args[1:last]), args[last:]), nil
}

// plainTest is plainTests of the operands.
func plainTest(x []string) []string {
	switch {
	case len(x) == 1:
		return []string{"-n", x[0]}
	case len(x) == 2 && x[0] == "!":
		return []string{"-z", x[1]}
	case len(x) == 4 && x[0] == "!":
		return append([]string{"!"}, plainTest(x[1:])...)
	case len(x) != 3:
		return x
	}
	switch x[1] {
	case "=", "==", "!=", "<", ">":
		return []string{"x" + x[0], x[1], "x" + x[2]}
	case "-a", "-o":
		return []string{"-n", x[0], x[1], "-n", x[2]}
	case "-nt", "-ot", "-ef":
		if x[0] == "" || x[0][0] == '/' {
			return x
		}
		return []string{"./" + x[0], x[1], x[2]}
	case "-eq", "-ne", "-lt", "-le", "-gt", "-ge":
		return x
	}
	switch {
	case x[0] == "!":
		return append([]string{"!"}, plainTest(x[1:])...)
	case x[0] == "(" && x[2] == ")":
		return []string{"-n", x[1]}
	}
	return x
}
