package cli

import (
	"fmt"
	"io"

	"github.com/schollz/progressbar/v3"

	api "grantd/internal/http"
)

// progress shows on a terminal how far a long command is, and nothing
// elsewhere.
type progress struct {
	out io.Writer // nil: show nothing
	bar *progressbar.ProgressBar
	due int
}

func (a *app) progress(stderr io.Writer) *progress {
	if !terminal(stderr) {
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
	}
	if now.Due == 0 {
		// The number of clients is not known before they are listed.
		p.bar.Describe(fmt.Sprintf("listing the tenant: %d clients", now.Listed))
		_ = p.bar.Add(0) // what cannot be drawn is not worth a word
		return
	}
	_ = p.bar.Set(now.Done)
}

func (p *progress) newBar(due int) *progressbar.ProgressBar {
	o := []progressbar.Option{
		progressbar.OptionSetWriter(p.out), progressbar.OptionClearOnFinish(), progressbar.OptionSetWidth(30),
	}
	if due == 0 {
		return progressbar.NewOptions(-1, append(o, progressbar.OptionSpinnerType(14))...)
	}
	return progressbar.NewOptions(due, append(o, progressbar.OptionSetDescription("putting right"), progressbar.OptionShowCount())...)
}

// end takes the bar away.
func (p *progress) end() {
	if p.bar != nil {
		_ = p.bar.Clear()
		p.bar = nil
	}
}
