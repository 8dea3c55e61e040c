package tenantsim

import (
	"cmp"
	"iter"
	"slices"
)

// table keeps rows in the order in which they were added. Every row has a
// sequence number that is never given again, so that a page can begin after a
// row that is gone. Adding, finding and removing take constant time.
type table[T any] struct {
	rows []row[T]
	at   map[string]int
	seq  uint64
	dead int
}

type row[T any] struct {
	seq   uint64
	id    string
	value *T // nil: removed
}

func newTable[T any]() *table[T] { return &table[T]{at: map[string]int{}} }

// add appends a row; an id that is there already keeps its place.
func (t *table[T]) add(id string, value *T) {
	if i, ok := t.at[id]; ok {
		t.rows[i].value = value
		return
	}
	t.seq++
	t.at[id] = len(t.rows)
	t.rows = append(t.rows, row[T]{seq: t.seq, id: id, value: value})
}

func (t *table[T]) get(id string) *T {
	if i, ok := t.at[id]; ok {
		return t.rows[i].value
	}
	return nil
}

func (t *table[T]) remove(id string) bool {
	i, ok := t.at[id]
	if !ok {
		return false
	}
	delete(t.at, id)
	t.rows[i].value = nil
	t.dead++
	if t.dead > 64 && t.dead > len(t.rows)/2 {
		t.compact()
	}
	return true
}

func (t *table[T]) compact() {
	t.rows = slices.DeleteFunc(t.rows, func(r row[T]) bool { return r.value == nil })
	for i, r := range t.rows {
		t.at[r.id] = i
	}
	t.dead = 0
}

func (t *table[T]) len() int { return len(t.at) }

// after yields the rows whose sequence number is greater than seq.
func (t *table[T]) after(seq uint64) iter.Seq2[uint64, *T] {
	return func(yield func(uint64, *T) bool) {
		start, _ := slices.BinarySearchFunc(t.rows, seq+1, func(r row[T], want uint64) int {
			return cmp.Compare(r.seq, want)
		})
		for _, r := range t.rows[start:] {
			if r.value != nil && !yield(r.seq, r.value) {
				return
			}
		}
	}
}

// all yields every value.
func (t *table[T]) all() iter.Seq[*T] {
	return func(yield func(*T) bool) {
		for _, v := range t.after(0) {
			if !yield(v) {
				return
			}
		}
	}
}
