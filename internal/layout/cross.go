package layout

// exchange changes places of two that stand side by side in a layer wherever
// fewer segments cross then, until there are no such two.
func (d *drawing) exchange(budget *int) {
	for better := true; better && *budget > 0; {
		better = false
		for k, row := range d.layers {
			moved := false
			for i := 0; i+1 < len(row); i++ {
				u, v := row[i], row[i+1]
				*budget -= len(d.up[u]) + len(d.up[v]) + len(d.down[u]) + len(d.down[v])
				if d.gain(d.up[u], d.up[v])+d.gain(d.down[u], d.down[v]) > 0 {
					row[i], row[i+1] = v, u
					moved = true
				}
			}
			if moved {
				d.relist(k)
				better = true
			}
		}
	}
}

// gain is how many crossings fewer there are if two neighbours change places, by
// what they are connected with on one side.
func (d *drawing) gain(left, right []int32) int {
	// For each of left: those of right that stand before it are crossed now, those
	// behind it will be.
	gain, before := 0, 0
	for _, w := range left {
		for before < len(right) && d.pos[right[before]] < d.pos[w] {
			before++
		}
		behind := len(right) - before
		if behind > 0 && right[before] == w {
			behind--
		}
		gain += before - behind
	}
	return gain
}

// crossings counts how many pairs of segments cross, as by Barth, Jünger and
// Mutzel, "Simple and efficient bilayer cross counting" (2002): segments from left
// to right, and a tree of sums over the lower ends.
func (d *drawing) crossings(budget *int) int {
	total := 0
	var sums []int32
	for k := range len(d.layers) - 1 {
		size := len(d.layers[k+1])
		sums = append(sums[:0], make([]int32, size+1)...)
		seen := int32(0)
		for _, u := range d.layers[k] {
			// Lower ends of one vertex do not cross each other: count all, then add them.
			for _, v := range d.down[u] {
				before := int32(0)
				for i := d.pos[v] + 1; i > 0; i &= i - 1 {
					before += sums[i]
				}
				total += int(seen - before)
			}
			for _, v := range d.down[u] {
				for i := d.pos[v] + 1; i <= int32(size); i += i & -i {
					sums[i]++
				}
				seen++
			}
			*budget -= 2 * len(d.down[u])
		}
	}
	return total
}
