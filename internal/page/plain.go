package page

import (
	"context"
	"fmt"
	"io"
	"strings"
)

// Text writes how things stand in a few lines, for those who ask without a
// browser.
func (p *Page) Text(ctx context.Context, w io.Writer) error {
	now, r := p.o.Now(), p.o.Health.Report(ctx)
	v := p.health(r, p.o.Health.Checks(ctx), now)
	var b strings.Builder
	fmt.Fprintf(&b, "status   %s\n", r.Status)
	for _, reason := range v.Reasons {
		fmt.Fprintf(&b, "         %s: %s\n", reason.Code, reason.Message)
	}
	c := r.Clients
	fmt.Fprintf(&b, "clients  %d ready, %d pending, %d blocked, %d refused, %d gone\n", c.Ready, c.Pending, c.Blocked, c.Refused, c.Gone)
	for _, f := range feedRows(r, now) {
		ago := "never"
		if f.Success.Known {
			ago = f.Success.Ago
		}
		fmt.Fprintf(&b, "%-8s last worked %s\n", strings.ToLower(f.Feed), ago)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
