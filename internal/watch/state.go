package watch

import (
	"os"
	"path/filepath"
)

// state is what tells whether a path leads to something else than before.
type state struct {
	target string      // the path without symbolic links; empty if it leads nowhere
	info   os.FileInfo // nil if there is none
}

func look(path string) state {
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return state{}
	}
	info, err := os.Stat(target)
	if err != nil {
		return state{target: target}
	}
	return state{target, info}
}

func (s state) same(t state) bool {
	if s.info == nil || t.info == nil {
		return s.info == nil && t.info == nil && s.target == t.target
	}
	return s.target == t.target && os.SameFile(s.info, t.info) &&
		s.info.Size() == t.info.Size() && s.info.ModTime().Equal(t.info.ModTime()) && s.info.Mode() == t.info.Mode()
}
