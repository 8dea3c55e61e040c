package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	"grantd/internal/auth0"
)

// enough is how many more calls may get no answer in their time than get one.
const enough = 2

// errSilent is why a call was not made, or broken off.
var errSilent = errors.New("calls got no answer, so doctor asked no more")

// patience counts calls that hang and those that are answered, however slowly
// and whatever the answer, and ends a look at a tenant that answers too few: each
// takes its whole deadline, and before the first answer few go at the same time.
type patience struct {
	stop context.CancelFunc // ends what is under way

	mu             sync.Mutex
	hung, answered int
	last           error // of a call that hung
	over           bool
}

// note takes up what became of a call, and returns its error.
func (p *patience) note(err error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	e, failed := errors.AsType[*auth0.Error](err)
	switch {
	case hangs(err):
		p.hung++
		p.last = err
	case p.over && errors.Is(err, context.Canceled):
		return errSilent
	case err == nil, failed && e.Status != 0:
		p.answered++
	}
	if !p.over && p.hung-p.answered >= enough {
		p.over = true
		p.stop()
	}
	return err
}

// outside is note for a call whose answer says nothing of the Management API.
func (p *patience) outside(err error) error {
	if hangs(err) {
		return p.note(err)
	}
	return err
}

// gone reports whether the tenant is asked no more.
func (p *patience) gone() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.over
}

// tell is why a look failed: by err, unless the tenant was asked no more.
func (p *patience) tell(err error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.over {
		return err
	}
	return fmt.Errorf("%d %w: %w", p.hung, errSilent, p.last)
}

// hangs reports whether a call was given up for want of an answer.
func hangs(err error) bool {
	e, ok := errors.AsType[*auth0.Error](err)
	var timeout net.Error
	return ok && errors.As(e.Err, &timeout) && timeout.Timeout()
}
