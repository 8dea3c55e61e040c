package explain

// Remedy is what is said of a cause, of whatever code.
func Remedy(f Facts, code Code) Cause {
	t := &teller{f: f}
	t.judge()
	return t.remedy(code)
}
