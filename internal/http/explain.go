package http

import (
	"context"

	"github.com/labstack/echo/v4"

	"grantd/internal/explain"
)

// Explainer tells one client's story.
type Explainer interface {
	// Explain tells the story of a client: of a client id, or of the URL of a
	// Client ID Metadata Document. It asks Auth0, and tells what it can when
	// Auth0 does not answer.
	Explain(ctx context.Context, id string) (explain.Story, error)
}

func (c commands) explain(e echo.Context) error {
	id := e.QueryParam("client_id")
	if !explain.ValidID(id) {
		return badRequest("client_id is a client id, or the https URL of a client id metadata document.")
	}
	return c.stream(e, func(ctx context.Context, _ func(Progress)) (Message, error) {
		s, err := c.Explain(ctx, id)
		return Message{Explained: &s}, err
	})
}
