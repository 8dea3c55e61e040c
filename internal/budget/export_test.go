package budget

// Wakeups is how often the timer has run.
func (b *Budget) Wakeups() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.wakeups
}
