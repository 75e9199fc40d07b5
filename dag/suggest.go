package dag

import (
	"iter"
	"unicode/utf8"
)

// nearest returns the candidate that name is most likely a slip of, or "" where
// none is close: about one slip in three characters, a swap of neighbours
// being one slip. Among equals the first wins. It costs a pass over the
// candidates, so callers bound how often they ask.
func nearest(name string, candidates iter.Seq[string]) string {
	limit := (utf8.RuneCountInString(name) + 1) / 3
	best, bestAt := "", limit+1
	a := []rune(name)
	for c := range candidates {
		if d := len(c) - len(name); d > 4*bestAt || -d > 4*bestAt || c == name {
			continue
		}
		if at := distance(a, []rune(c), bestAt); at < bestAt {
			best, bestAt = c, at
		}
	}
	return best
}

// distance counts the slips (a character too much, missing, wrong, or swapped
// with its neighbour; the optimal string alignment of Damerau and Levenshtein)
// between two words, or returns bound where there are at least so many.
func distance(a, b []rune, bound int) int {
	if len(a)-len(b) >= bound || len(b)-len(a) >= bound {
		return bound
	}
	before := make([]int, len(b)+1)
	above := make([]int, len(b)+1)
	row := make([]int, len(b)+1)
	for j := range above {
		above[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		least := i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(above[j]+1, row[j-1]+1, above[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
			least = min(least, row[j])
		}
		if least >= bound {
			return bound
		}
		before, above, row = above, row, before
	}
	return min(above[len(b)], bound)
}
