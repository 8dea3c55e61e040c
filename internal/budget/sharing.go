package budget

// sharing is whether the groups have one bucket between them.
type sharing uint8

// Not knowing, both are minded: the one bucket there may be, and each group's.
const (
	unknown sharing = iota
	together
	apart
)

// learn draws the conclusion from an answer that showed less than expected in
// one way of counting and not in the other.
func (s *sharing) learn(lessInAll, lessInOwn bool) {
	switch {
	case lessInOwn && !lessInAll:
		*s = together
	case lessInAll && !lessInOwn:
		*s = apart
	}
}

// sharing is whether the groups are to be taken for one bucket. Where limits
// differ they have none in common.
func (b *Budget) sharing() sharing {
	limit := 0
	for i := range b.own {
		k := &b.own[i]
		if !k.known {
			continue
		}
		if limit != 0 && k.limit != limit {
			return apart
		}
		limit = k.limit
	}
	return b.shared
}
