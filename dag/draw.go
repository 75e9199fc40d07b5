package dag

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// Formats are what [Draw] can write.
func Formats() []string { return []string{"text", "dot", "mermaid", "svg"} }

// Draw writes a picture of a plan: "text" for a terminal, "dot" for Graphviz,
// "mermaid" and "svg" (see [DrawSVG]) for pages. The picture is the same every time. Status, where not
// nil, has a status for each task by index, which is shown.
func Draw(w io.Writer, p *Plan, format string, status []Status) error {
	if status != nil && len(status) != len(p.Nodes) {
		return fmt.Errorf("dag: draw: %d statuses for %d tasks", len(status), len(p.Nodes))
	}
	if format == "svg" {
		return DrawSVG(w, p, status, false)
	}
	out := bufio.NewWriter(w)
	switch format {
	case "text":
		drawText(out, p, status)
	case "dot":
		drawDot(out, p, status)
	case "mermaid":
		drawMermaid(out, p, status)
	default:
		return fmt.Errorf("dag: draw: no format %q; there are %s", format, strings.Join(Formats(), ", "))
	}
	return out.Flush()
}

// traits says in a few words what is special about a task.
func traits(t *Task) string {
	words := []string{"?"}
	if t.Action != nil {
		words[0] = t.Action.Kind()
	}
	usual := "default"
	switch words[0] {
	case "expr", "http", "sql":
		usual = "thread"
	}
	if t.Executor != "" && t.Executor != usual {
		words = append(words, "on "+t.Executor)
	}
	if t.Fan != nil {
		if t.Fan.Each != nil {
			words = append(words, "for each")
		} else {
			words = append(words, "matrix")
		}
	}
	if t.If != nil {
		words = append(words, "if "+shorten(strings.Join(strings.Fields(t.If.String()), " "), 40))
	}
	return strings.Join(words, " · ")
}

// color is the background of a status in pictures.
func color(s Status) string {
	switch s {
	case Queued, Running, Retrying:
		return "#cfe8ff"
	case Succeeded:
		return "#d3f5d8"
	case Failed:
		return "#ffd6d6"
	case Cancelled:
		return "#ffe9c7"
	}
	return "#eeeeee"
}

func drawDot(w *bufio.Writer, p *Plan, status []Status) {
	fmt.Fprintf(w, "digraph %s {\n  rankdir=TB;\n  node [shape=box, style=\"rounded,filled\", fillcolor=white, fontname=\"sans-serif\"];\n", dotText(p.Workflow.Name))
	for i := range p.Nodes {
		if i == p.Main {
			w.WriteString("  subgraph cluster_finally {\n  label=\"finally\";\n  style=dashed;\n")
		}
		t := p.Nodes[i].Task
		label := t.ID + "\n" + traits(t)
		if status != nil {
			label += "\n" + status[i].String()
		}
		fmt.Fprintf(w, "  n%d [label=%s", i, dotText(label))
		if status != nil {
			fmt.Fprintf(w, ", fillcolor=%q", color(status[i]))
		}
		w.WriteString("];\n")
	}
	if p.Main < len(p.Nodes) {
		w.WriteString("  }\n")
	}
	for i := range p.Nodes {
		for _, d := range p.Nodes[i].Deps {
			fmt.Fprintf(w, "  n%d -> n%d;\n", d, i)
		}
	}
	w.WriteString("}\n")
}

// dotText writes a text in Graphviz's quotes.
func dotText(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s) + `"`
}

func drawMermaid(w *bufio.Writer, p *Plan, status []Status) {
	w.WriteString("flowchart TD\n")
	for i := range p.Nodes {
		if i == p.Main {
			w.WriteString("  subgraph finally\n")
		}
		t := p.Nodes[i].Task
		label := mermaidText(t.ID) + "<br/><small>" + mermaidText(traits(t)) + "</small>"
		if status != nil {
			label += "<br/>" + status[i].String()
		}
		fmt.Fprintf(w, "  n%d[\"%s\"]\n", i, label)
	}
	if p.Main < len(p.Nodes) {
		w.WriteString("  end\n")
	}
	for i := range p.Nodes {
		for _, d := range p.Nodes[i].Deps {
			fmt.Fprintf(w, "  n%d --> n%d\n", d, i)
		}
	}
	if status == nil {
		return
	}
	for i, s := range status {
		fmt.Fprintf(w, "  style n%d fill:%s\n", i, color(s))
	}
}

// mermaidText writes a text so that Mermaid takes nothing in it for its own.
func mermaidText(s string) string {
	return strings.NewReplacer("&", "&amp;", `"`, "&quot;", "<", "&lt;", ">", "&gt;", "#", "&num;", "`", "&#96;").Replace(s)
}
