package cli

import (
	"io"
	"slices"

	"github.com/schollz/progressbar/v3"

	api "grantd/internal/http"
)

// progress shows on a terminal how far a long command is, and nothing
// elsewhere.
type progress struct {
	out io.Writer // nil: show nothing
	bar *progressbar.ProgressBar
	due int // what the bar counts to; 0 while the tenant is listed
}

func (a *app) progress(stderr io.Writer) *progress {
	if !terminal(stderr) || slices.Contains(a.process.Environ, "TERM=dumb") {
		return &progress{}
	}
	return &progress{out: stderr}
}

func (p *progress) show(now api.Progress) {
	if p.out == nil {
		return
	}
	if p.bar == nil || now.Due != p.due {
		p.end()
		p.due = now.Due
		p.bar = p.newBar(now.Due)
		_ = p.bar.RenderBlank() // seen also if all is done at once
	}
	if now.Due > 0 {
		_ = p.bar.Set(now.Done) // what cannot be drawn is not worth a word
		return
	}
	// The number of clients is not known before they are listed.
	p.bar.Describe(count(now.Listed, "client") + " listed")
	_ = p.bar.Add(1)
}

func (p *progress) newBar(due int) *progressbar.ProgressBar {
	o := []progressbar.Option{
		progressbar.OptionSetWriter(p.out), progressbar.OptionSetWidth(30), progressbar.OptionClearOnFinish(),
		progressbar.OptionSetPredictTime(false), progressbar.OptionSetElapsedTime(false),
	}
	if due > 0 {
		return progressbar.NewOptions(due, append(o, progressbar.OptionSetDescription("putting right"), progressbar.OptionShowCount())...)
	}
	// Turning by itself it would go on in another goroutine when it is to end.
	return progressbar.NewOptions(-1, append(o, progressbar.OptionSpinnerType(14), progressbar.OptionSetSpinnerChangeInterval(0))...)
}

// end takes the bar away.
func (p *progress) end() {
	if p.bar != nil {
		_ = p.bar.Clear()
		p.bar = nil
	}
}
