package dag

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// otherStatuses are what other systems call a status of ours.
var otherStatuses = map[string]Status{"success": Succeeded, "ok": Succeeded, "done": Succeeded, "complete": Succeeded, "completed": Succeeded,
	"finished": Succeeded, "failure": Failed, "error": Failed, "canceled": Cancelled, "aborted": Cancelled, "skip": Skipped, "started": Running}

// checkCondition warns of a status that no task ever has, and notes whether an
// `if` can be true.
func (a *analysis) checkCondition(p *program) {
	a.cond.statuses(func(at span, s string) {
		known := statusNames[:]
		if slices.Contains(known, s) || a.quiet {
			return
		}
		hint := "; there are " + enumerate(known)
		if ours, ok := otherStatuses[s]; ok {
			hint = fmt.Sprintf("; did you mean %q?", ours)
		} else if near := a.c.didYouMean(s, slices.Values(known)); near != "" {
			hint = near
		}
		a.c.report(Diagnostic{Pos: a.t.at(at.from), Len: underline(a.t.s[at.from:at.to]), Warning: true,
			Message: fmt.Sprintf("no status is ever %q%s", s, hint)})
	})
	if a.place != inIf || a.cond.op == condUnknown {
		return
	}
	p.never = !a.cond.eval([]string{Succeeded.String()}).beTrue
	p.neverFailed = !a.cond.eval([]string{Succeeded.String(), Failed.String()}).beTrue
}

// unknownName reports a name that means nothing.
func (a *analysis) unknownName(l link, lets []string, lang *language) {
	name := l.name
	hint := ""
	_, param := a.c.params[name]
	_, task := a.c.ids[name]
	switch {
	case name == "$env":
		a.fail(l.span, "$env: the environment as a whole can't be named; name what you need of it")
		return
	case slices.Contains(lang.known, name):
		hint = fmt.Sprintf("; to call the function write %s(…)", name)
	case a.task != nil && slices.Contains(names(a.task.Inputs), name):
		hint = fmt.Sprintf("; did you mean inputs.%s?", name)
	case param:
		hint = fmt.Sprintf("; did you mean params.%s?", name)
	case a.c.secrets[name]:
		hint = fmt.Sprintf("; did you mean secrets.%s?", name)
	case task:
		hint = fmt.Sprintf("; did you mean tasks.%s.result?", name)
	default:
		known := slices.Concat(lets, roots, []string{"true", "false", "null"})
		hint = a.c.didYouMean(name, slices.Values(known))
	}
	a.fail(l.span, "%s: no such name%s", name, hint)
}

// unknownFunction reports a call of what is no function.
func (a *analysis) unknownFunction(l link, lang *language) {
	a.fail(l.span, "%s: no such function%s", l.name, a.c.didYouMean(l.name, slices.Values(lang.known)))
}

// unknownMethod reports a call of a method that expressions may not call.
func (a *analysis) unknownMethod(l link) {
	a.fail(l.span, "%s: no such method%s; only times and durations have any", strings.Trim(l.name, `"`),
		a.c.didYouMean(l.name, slices.Values(methods)))
}

// Types as expr's messages call them, and as ours do. Longer ones first.
var typeWords = strings.NewReplacer(
	"map[interface {}]interface {}", "map",
	"map[interface {}][]interface {}", "map",
	"map[string]interface {}", "map",
	"[]interface {}", "list",
	"[]string", "list",
	"[]int", "list",
	"interface {}", "any value",
	"time.Time", "time",
	"time.Duration", "duration",
	"<nil>", "null",
	"float64", "number",
	"string", "text",
	"unknown", "any value",
)

// How expr's parser shows a token, and its checker a wrong argument.
var (
	tokenMessage  = lazily(`unexpected token (\w+)(?:\((".*")\))?`)
	wrongArgument = lazily(`^cannot use (.+) as argument \(type (.+)\) to call (\w+)`)
	textAndNumber = lazily(`\+ \(mismatched types (?:text and (?:int|number)|(?:int|number) and text)\)`)
	wrongList     = lazily(`^builtin (\w+) takes only array \(got (.+)\)`)
)

// callBefore is a call whose arguments are still open at the end of a text.
var callBefore = lazily(`([A-Za-z_][A-Za-z0-9_]*)\(([^()]*)$`)

// explainSyntax reports the cause of two syntax errors whose place puzzles, and
// whether it was one of them: `.field` or `#` in a call of what is no function, and
// a map as a predicate, whose braces expr takes for those of the predicate.
func (a *analysis) explainSyntax(l *language, at span, msg string) bool {
	token := tokenMessage().FindStringSubmatch(msg)
	m := callBefore().FindStringSubmatchIndex(a.t.s[:at.from])
	if token == nil || m == nil {
		return false
	}
	name := a.t.s[m[2]:m[3]]
	switch known := slices.Contains(l.known, name); {
	case !known && (token[2] == `"."` || token[2] == `"#"`):
		a.unknownFunction(link{name: name, span: span{m[2], m[3]}}, l)
	case known && token[2] == `":"` && strings.Contains(a.t.s[m[4]:m[5]], "{"):
		a.fail(at, "unexpected \":\"; the map that %s makes of each element needs parentheses: ({…})", name)
	default:
		return false
	}
	return true
}

// rewordSyntax makes a message of expr's parser or checker one of ours.
func rewordSyntax(msg string) string {
	if m := tokenMessage().FindStringSubmatch(msg); m != nil {
		switch {
		case m[1] == "EOF":
			return "the expression ends too early"
		case m[2] == `"="`:
			return `unexpected "="; to compare, write ==`
		case m[2] != "":
			return "unexpected " + m[2]
		}
	}
	if m := wrongArgument().FindStringSubmatch(msg); m != nil {
		return fmt.Sprintf("%s wants %s, and this is %s", m[3], typeWords.Replace(m[2]), typeWords.Replace(m[1]))
	}
	if m := wrongList().FindStringSubmatch(msg); m != nil {
		return fmt.Sprintf("%s wants a list, and this is %s", m[1], typeWords.Replace(m[2]))
	}
	if msg == "unexpected end of expression" {
		return "the expression ends too early"
	}
	if strings.HasPrefix(msg, "bad number syntax") || strings.HasPrefix(msg, "invalid ") && strings.Contains(msg, "literal") {
		return "a number that is not one, or beyond 64 bits"
	}
	msg = typeWords.Replace(msg)
	if textAndNumber().MatchString(msg) {
		msg += "; to join them write string(…) around the number"
	}
	return msg
}

// What expr says of bad values while it evaluates.
var (
	noField     = lazily(`^cannot (?:fetch|get) (.*) from (.*)$`)
	noTypeMatch = lazily(`^interface conversion: .* is ([^,]+), not (\S+)$`)
	noMapKey    = lazily(`value of type (\S+) (?:is )?not assignable to type string`)
)

// reword makes an error of expr's evaluation one of ours.
func reword(msg string) error {
	if m := noField().FindStringSubmatch(msg); m != nil {
		if m[2] == "<nil>" {
			return nullField(m[1])
		}
		return fmt.Errorf("%s has no field %s", typeWords.Replace(m[2]), m[1])
	}
	if m := noTypeMatch().FindStringSubmatch(msg); m != nil {
		return fmt.Errorf("%s is wanted, and this is %s", typeWords.Replace(m[2]), typeWords.Replace(m[1]))
	}
	if m := noMapKey().FindStringSubmatch(msg); m != nil {
		return fmt.Errorf("keys of maps are text, and this is %s", typeWords.Replace(m[1]))
	}
	switch {
	case msg == "memory budget exceeded":
		return errWork
	case strings.Contains(msg, "index out of range"), strings.Contains(msg, "hash of unhashable"):
		return errors.New(typeWords.Replace(strings.TrimPrefix(msg, "runtime error: ")))
	}
	return errors.New(typeWords.Replace(strings.TrimPrefix(msg, "reflect: ")))
}
