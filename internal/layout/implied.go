package layout

// Implied tells for each edge whether it follows from others: there is a longer way
// between its ends, or it was given before. In an acyclic graph, those that are
// left lead to the same places as all do (its transitive reduction: Aho, Garey and
// Ullman, 1972). It takes time for edges times nodes / 64, and no more memory than
// 512 bytes a node. An edge of a graph with a circle may be told wrongly.
func Implied(nodes int, edges []Edge) []bool {
	const words = 64 // of 64 nodes each: those whose followers are found at once
	implied := make([]bool, len(edges))
	ins := make([][]int32, nodes) // by node: edges that lead to it
	g := &Graph{Nodes: make([]Node, nodes), Edges: edges}
	l := &layering{g: g, ins: make([][]int32, nodes), outs: make([][]int32, nodes)}
	for i, e := range edges {
		ins[e.To] = append(ins[e.To], int32(i))
		l.outs[e.From] = append(l.outs[e.From], int32(e.To))
		l.ins[e.To] = append(l.ins[e.To], int32(e.From))
	}
	l.sort()
	before := make([][words]uint64, nodes) // of the nodes of this round, those before each node
	for from := 0; from < nodes; from += 64 * words {
		clear(before)
		for _, v := range l.order {
			b := &before[v]
			for _, i := range ins[v] {
				for w, bits := range before[edges[i].From] {
					b[w] |= bits
				}
			}
			for _, i := range ins[v] {
				if u := edges[i].From - from; u >= 0 && u < 64*words {
					if b[u/64]&(1<<(u%64)) != 0 {
						implied[i] = true
					}
					b[u/64] |= 1 << (u % 64)
				}
			}
		}
	}
	return implied
}
