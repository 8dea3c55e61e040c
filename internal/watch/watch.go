// Package watch tells when what a path leads to may have changed: writes,
// files renamed over it, creation, removal, and symbolic links that are turned,
// as Kubernetes does with mounted files. The system tells of most changes at
// once; a look every half minute finds the others, on network file systems for
// instance, or after the folder itself was made anew.
package watch

import (
	"context"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// Every is how often File looks at the path without being told to.
	Every = 30 * time.Second
	// gather is how long events are gathered: one save of an editor is many.
	gather = 200 * time.Millisecond
)

// File calls changed once it watches path, and then whenever what path leads to
// may have changed, until ctx ends; it returns when the last call has. Bursts
// are gathered into one call, at most 200 ms after they began. A call is a
// reason to look and no more: the content may be the same.
//
// Where the system has no watch to give, it says so in the log and looks every
// half minute only.
func File(ctx context.Context, path string, log *slog.Logger, changed func()) {
	file(ctx, path, Every, log, changed)
}

func file(ctx context.Context, path string, every time.Duration, log *slog.Logger, changed func()) {
	w, err := newWatcher(path)
	if err != nil {
		log.Warn("watch file; changes are seen within half a minute only", "path", path, "error", err)
		Poll(ctx, path, every, changed)
		return
	}
	defer w.close()
	w.run(ctx, every, changed)
}

// Poll is File without the help of the system: it looks at path every so often.
func Poll(ctx context.Context, path string, every time.Duration, changed func()) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	was := look(path)
	changed()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if is := look(path); !is.same(was) {
			was = is
			changed()
		}
	}
}

// watcher watches the folder of a file, because a watch of the file itself is
// lost with the file; and the folder of what the path leads to.
type watcher struct {
	path   string
	events *fsnotify.Watcher
	dirs   []string // watched, or tried to
	state  state    // as of the last call of changed
}

func newWatcher(path string) (*watcher, error) {
	events, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, err
	}
	return &watcher{path: filepath.Clean(path), events: events}, nil
}

func (w *watcher) close() {
	// Closing can only fail for a watcher that is closed already.
	_ = w.events.Close()
}

func (w *watcher) run(ctx context.Context, every time.Duration, changed func()) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	// nil unless events are being gathered.
	var gathered <-chan time.Time
	touched := true // the file itself, so that its state need not tell
	w.arm()
	for {
		if gathered == nil && w.turned(touched) {
			touched = false
			changed()
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			w.arm()
			continue
		case <-gathered:
			gathered = nil
			w.arm()
			continue
		case event := <-w.events.Events:
			touched = touched || w.concerns(event.Name)
		case err := <-w.events.Errors: // most likely some events were lost
			touched = touched || err != nil
		}
		if gathered == nil {
			gathered = time.After(gather)
		}
	}
}

// turned reports whether there is something to tell, and takes note of it.
func (w *watcher) turned(touched bool) bool {
	is := look(w.path)
	if !touched && is.same(w.state) {
		return false
	}
	w.state = is
	return true
}

// concerns reports whether an event named name is about the file, rather than
// about another one of its folder.
func (w *watcher) concerns(name string) bool {
	name = filepath.Clean(name)
	return name == w.path || name == w.state.target
}

// arm watches the folders that matter now: links may have been turned, and
// folders made or removed. Adding a folder that is watched changes nothing.
func (w *watcher) arm() {
	dirs := []string{filepath.Dir(w.path)}
	if target := look(w.path).target; target != "" && filepath.Dir(target) != dirs[0] {
		dirs = append(dirs, filepath.Dir(target))
	}
	for _, dir := range w.dirs {
		if dir != dirs[0] && dir != dirs[len(dirs)-1] {
			_ = w.events.Remove(dir) // gone by itself if the folder is
		}
	}
	w.dirs = dirs
	for _, dir := range dirs {
		_ = w.events.Add(dir) // tried again in half a minute
	}
}
