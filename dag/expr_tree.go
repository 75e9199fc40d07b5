package dag

import (
	"fmt"
	"slices"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/checker/nature"
)

// What becomes of an expression's tree: namer is before the type check, arranger
// and condition are after it.

// children replaces each child of a node by what f makes of it.
func children(n ast.Node, f func(ast.Node) ast.Node) {
	all := func(ns []ast.Node) {
		for i := range ns {
			ns[i] = f(ns[i])
		}
	}
	switch n := n.(type) {
	case *ast.UnaryNode:
		n.Node = f(n.Node)
	case *ast.BinaryNode:
		n.Left, n.Right = f(n.Left), f(n.Right)
	case *ast.ChainNode:
		n.Node = f(n.Node)
	case *ast.MemberNode:
		n.Node, n.Property = f(n.Node), f(n.Property)
	case *ast.SliceNode:
		n.Node = f(n.Node)
		if n.From != nil {
			n.From = f(n.From)
		}
		if n.To != nil {
			n.To = f(n.To)
		}
	case *ast.CallNode:
		n.Callee = f(n.Callee)
		all(n.Arguments)
	case *ast.BuiltinNode:
		all(n.Arguments)
	case *ast.PredicateNode:
		n.Node = f(n.Node)
	case *ast.VariableDeclaratorNode:
		n.Value, n.Expr = f(n.Value), f(n.Expr)
	case *ast.SequenceNode:
		all(n.Nodes)
	case *ast.ConditionalNode:
		n.Cond, n.Exp1, n.Exp2 = f(n.Cond), f(n.Exp1), f(n.Exp2)
	case *ast.ArrayNode:
		all(n.Nodes)
	case *ast.MapNode:
		all(n.Pairs)
	case *ast.PairNode:
		n.Key, n.Value = f(n.Key), f(n.Value)
	}
}

// namer replaces names by variables, and functions by ours.
type namer struct {
	a      *analysis
	l      *language
	lets   []string // variables of the expression's own, innermost last
	offset func(int) int
}

// at is where a node stands, in bytes.
func (n *namer) at(x ast.Node) span {
	loc := x.Location()
	return span{n.offset(loc.From), n.offset(loc.To)}
}

func (n *namer) node(x ast.Node) ast.Node {
	switch x := x.(type) {
	case *ast.IdentifierNode:
		return n.chain(x, nil)
	case *ast.MemberNode:
		return n.member(x)
	case *ast.CallNode:
		return n.call(x)
	case *ast.BuiltinNode:
		children(x, n.node)
		if x.Name == "now" {
			if len(x.Arguments) > 0 {
				n.a.fail(n.at(x), "now takes no argument; for another zone write now().In(timezone(\"Europe/Berlin\"))")
			}
			return n.variable(variable{kind: varNow}, x)
		}
		if _, ok := n.l.ours[x.Name]; ok { // written ::name()
			c := &ast.CallNode{Callee: &ast.IdentifierNode{Value: x.Name}, Arguments: x.Arguments}
			c.SetLocation(x.Location())
			return c
		}
		return x
	case *ast.VariableDeclaratorNode:
		if slices.Contains(roots, x.Name) || slices.Contains(statusFns, x.Name) || x.Name == "null" {
			n.a.fail(n.at(x), "%s is a name of the language; call the variable something else", x.Name)
		}
		x.Value = n.node(x.Value)
		n.lets = append(n.lets, x.Name)
		x.Expr = n.node(x.Expr)
		n.lets = n.lets[:len(n.lets)-1]
		return x
	}
	children(x, n.node)
	return x
}

// variable stands for v in the place of x.
func (n *namer) variable(v variable, x ast.Node) ast.Node {
	n.a.use(v, n.at(x))
	id := &ast.IdentifierNode{Value: v.key()}
	id.SetLocation(x.Location())
	return id
}

// member takes as many constant fields as a variable's name has.
func (n *namer) member(x *ast.MemberNode) ast.Node {
	var fields []*ast.MemberNode // from the inside
	var base ast.Node = x
	for {
		m, ok := base.(*ast.MemberNode)
		if !ok {
			break
		}
		if _, ok := m.Property.(*ast.StringNode); !ok {
			fields = nil
		} else {
			fields = append(fields, m)
		}
		base = m.Node
	}
	slices.Reverse(fields)
	id, ok := base.(*ast.IdentifierNode)
	if !ok || len(fields) == 0 || slices.Contains(n.lets, id.Value) {
		children(x, n.node)
		return x
	}
	if outer := fields[len(fields)-1]; outer != x {
		// x is tasks.a.result[i].b: what is constant is inside.
		children(x, n.node)
		return x
	}
	return n.chain(id, fields)
}

// chain resolves a name and the constant fields behind it, innermost first.
func (n *namer) chain(id *ast.IdentifierNode, fields []*ast.MemberNode) ast.Node {
	var whole ast.Node = id
	if len(fields) > 0 {
		whole = fields[len(fields)-1]
	}
	switch {
	case slices.Contains(n.lets, id.Value):
		return whole
	case id.Value == "null" && len(fields) == 0:
		null := &ast.NilNode{}
		null.SetLocation(id.Location())
		return null
	case !slices.Contains(roots, id.Value):
		n.a.unknownName(link{id.Value, n.at(id)}, n.lets, n.l)
		return whole
	}
	links := []link{{id.Value, n.at(id)}}
	for _, f := range fields {
		links = append(links, link{f.Property.(*ast.StringNode).Value, n.at(f.Property)})
	}
	v, used, ok := n.a.resolve(links)
	if !ok {
		return whole
	}
	ref := &ast.IdentifierNode{Value: n.a.vars[v].key()}
	at := id.Location()
	if used > 1 {
		at.To = fields[used-2].Property.Location().To
	}
	ref.SetLocation(at)
	if used-1 == len(fields) {
		return ref
	}
	fields[used-1].Node = ref
	return whole
}

// call allows functions by name, and those methods of times that depend on
// nothing else. A function that is a value can't be called.
func (n *namer) call(x *ast.CallNode) ast.Node {
	for i := range x.Arguments {
		x.Arguments[i] = n.node(x.Arguments[i])
	}
	switch c := x.Callee.(type) {
	case *ast.MemberNode:
		c.Node = n.node(c.Node)
		if name, ok := c.Property.(*ast.StringNode); !ok || !slices.Contains(methods, name.Value) {
			n.a.unknownMethod(link{fmt.Sprint(c.Property), n.at(c.Property)})
		}
		return x
	case *ast.IdentifierNode:
		if k := slices.Index(statusFns, c.Value); k >= 0 {
			if len(x.Arguments) > 0 {
				n.a.fail(n.at(x), "%s takes no arguments", c.Value)
			}
			n.a.allowed(useStatus, c.Value+"()", n.at(c))
			return n.variable(variable{kind: varSuccess + varKind(k)}, x)
		}
		f, ok := n.l.ours[c.Value]
		switch {
		case !ok || slices.Contains(n.lets, c.Value):
			n.a.unknownFunction(link{c.Value, n.at(c)}, n.l)
		case f.files:
			n.a.allowed(useFiles, c.Value+"()", n.at(c))
		}
		return x
	}
	n.a.fail(n.at(x), "only functions can be called, by their names")
	return x
}

// arranger replaces, in a checked tree, operators and calls by functions that
// count and check.
type arranger struct {
	frame string // the variable that functions get
	loops int    // around the node
}

func (r *arranger) node(x ast.Node) ast.Node {
	switch n := x.(type) {
	case *ast.PredicateNode:
		r.loops++
		children(n, r.node)
		r.loops--
		return n
	case *ast.BuiltinNode:
		return r.builtin(n)
	case *ast.CallNode:
		children(n, r.node)
		if c, ok := n.Callee.(*ast.IdentifierNode); ok {
			return r.call(c.Value, n, n.Arguments...)
		}
		return n
	case *ast.UnaryNode:
		children(n, r.node)
		if _, literal := n.Node.(*ast.IntegerNode); n.Operator == "-" && !literal {
			return r.call("negate", n, n.Node)
		}
		return n
	case *ast.BinaryNode:
		children(n, r.node)
		switch n.Operator {
		case "+", "-", "*", "/", "%":
			return r.call(n.Operator, n, n.Left, n.Right)
		case "in":
			if r.loops > 0 {
				return r.call("in", n, n.Left, n.Right)
			}
		case "==", "!=":
			// The check says int where first([]) gives nil: compare values, not types.
			n.Left.SetNature(nature.Nature{})
		}
		return n
	}
	children(x, r.node)
	return x
}

// builtin replaces a function of expr; those with a predicate stay, and get
// their list looked at.
func (r *arranger) builtin(n *ast.BuiltinNode) ast.Node {
	children(n, r.node)
	looping := len(n.Arguments) > 1 && isPredicate(n.Arguments[1])
	if n.Name != "sum" && n.Name != "count" && !looping {
		return r.call(n.Name, n, n.Arguments...)
	}
	loop := "loop"
	if r.loops > 0 {
		loop = "inner loop"
	}
	if n.Name != "sum" || looping {
		n.Arguments[0] = r.call(loop, n.Arguments[0], n.Arguments[0])
	}
	if n.Name != "sum" {
		return n
	}
	if !looping {
		return r.call("sum", n, n.Arguments[0])
	}
	each := &ast.BuiltinNode{Name: "map", Arguments: n.Arguments}
	each.SetLocation(n.Location())
	return r.call("sum", n, each)
}

func isPredicate(n ast.Node) bool {
	_, ok := n.(*ast.PredicateNode)
	return ok
}

// call is a call of a hidden function in the place of x, whose type it has.
func (r *arranger) call(name string, x ast.Node, args ...ast.Node) ast.Node {
	frame := &ast.IdentifierNode{Value: r.frame}
	frame.SetLocation(x.Location())
	callee := &ast.IdentifierNode{Value: name + "()"}
	callee.SetLocation(x.Location())
	c := &ast.CallNode{Callee: callee, Arguments: append([]ast.Node{frame}, args...)}
	c.SetLocation(x.Location())
	c.SetNature(*x.Nature())
	return c
}

// condition makes of a checked tree what is needed to tell whether it can be
// true.
func condition(x ast.Node, a *analysis) cond {
	switch n := x.(type) {
	case *ast.BoolNode:
		return cond{op: condConst, value: n.Value}
	case *ast.StringNode:
		return cond{op: condConst, value: n.Value}
	case *ast.NilNode:
		return cond{op: condConst}
	case *ast.IdentifierNode:
		if i := slices.IndexFunc(a.vars, func(v variable) bool { return v.key() == n.Value }); i >= 0 {
			return cond{op: condVar, v: a.vars[i], at: a.mentions[slices.IndexFunc(a.mentions, func(m mention) bool { return m.v == i })].at}
		}
	case *ast.UnaryNode:
		if n.Operator == "!" || n.Operator == "not" {
			return cond{op: condNot, args: []cond{condition(n.Node, a)}}
		}
	case *ast.BinaryNode:
		if op, ok := condOps[n.Operator]; ok {
			return cond{op: op, args: []cond{condition(n.Left, a), condition(n.Right, a)}}
		}
	case *ast.ArrayNode:
		l := cond{op: condList}
		for _, e := range n.Nodes {
			l.args = append(l.args, condition(e, a))
		}
		return l
	}
	return cond{}
}
