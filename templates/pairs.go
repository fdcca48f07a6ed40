package templates

import "slices"

// someResources are how many resources a service is tried with: none, what it
// has by default, and two that lack what the other has.
var someResources = [][]Resource{
	nil,
	{{Name: "a1", Number: 1, Fields: []Field{{"b", "bool"}}}, {Name: "very-long-order-line", Number: 2, Fields: []Field{
		{"unit_price", "decimal"}, {"first_name", "string"}, {"internal_remark", "text"}, {"ordered_at", "datetime"}, {"n", "int"},
	}}},
}

// Pairs are answers with which every pair of choices is rendered at least once:
// of the options, and of how many resources there are.
func (t *Template) Pairs() []Answers {
	sets := someResources
	if t.Resource != nil {
		sets = append([][]Resource{{*t.Resource}}, sets...)
	}
	sizes := []int{len(sets)}
	for _, o := range t.Options {
		sizes = append(sizes, max(1, len(o.Choices)))
	}
	var all []Answers
	for n, row := range pairwise(sizes) {
		a := Answers{Service: []string{"s", "catalog", "order-history-service"}[n%3], Options: map[string]string{}, Resources: sets[row[0]]}
		for i, o := range t.Options {
			if len(o.Choices) > 0 {
				a.Options[o.Name] = o.Choices[row[i+1]]
			}
		}
		all = append(all, a)
	}
	return all
}

// pair is two columns, with a value in each.
type pair struct{ i, vi, j, vj int }

// pairwise returns rows of values, each less than its column's size, such that
// every two values of two columns are in a row together. Each row begins with a
// pair that is missing, and takes in each other column what adds most.
func pairwise(sizes []int) [][]int {
	missing := map[pair]bool{}
	var order []pair
	for i := range sizes {
		for j := i + 1; j < len(sizes); j++ {
			for vi := range sizes[i] {
				for vj := range sizes[j] {
					missing[pair{i, vi, j, vj}] = true
					order = append(order, pair{i, vi, j, vj})
				}
			}
		}
	}
	if len(sizes) == 1 {
		return single(sizes[0])
	}
	var rows [][]int
	for _, p := range order {
		if !missing[p] {
			continue
		}
		row := slices.Repeat([]int{-1}, len(sizes))
		row[p.i], row[p.j] = p.vi, p.vj
		for col := range row {
			if row[col] < 0 {
				row[col] = best(row, col, sizes[col], missing)
			}
		}
		for _, q := range covered(row) {
			delete(missing, q)
		}
		rows = append(rows, row)
	}
	return rows
}

func single(size int) [][]int {
	var rows [][]int
	for v := range size {
		rows = append(rows, []int{v})
	}
	return rows
}

// best is the value for a column that brings most missing pairs into row.
func best(row []int, col, size int, missing map[pair]bool) int {
	value, most := 0, -1
	for v := range size {
		row[col] = v
		n := 0
		for _, p := range covered(row) {
			if missing[p] {
				n++
			}
		}
		if n > most {
			value, most = v, n
		}
	}
	row[col] = -1
	return value
}

// covered are the pairs in a row; a column below 0 is open.
func covered(row []int) []pair {
	var pairs []pair
	for i := range row {
		for j := i + 1; j < len(row); j++ {
			if row[i] >= 0 && row[j] >= 0 {
				pairs = append(pairs, pair{i, row[i], j, row[j]})
			}
		}
	}
	return pairs
}
