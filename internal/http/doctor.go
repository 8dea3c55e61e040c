package http

import (
	"context"

	"github.com/labstack/echo/v4"

	"grantd/internal/doctor"
)

// Doctor finds out what keeps clients from registering and people from logging
// in.
type Doctor interface {
	// Doctor looks at the tenant, the gateway and the public address. It fails if
	// the tenant cannot be reached.
	Doctor(ctx context.Context) (doctor.Report, error)
}

func (c commands) doctor(e echo.Context) error {
	return c.stream(e, func(ctx context.Context, _ func(Progress)) (Message, error) {
		r, err := c.Doctor(ctx)
		return Message{Doctor: &r}, err
	})
}
