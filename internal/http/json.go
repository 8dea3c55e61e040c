package http

import (
	"encoding/json"

	"github.com/labstack/echo/v4"

	"grantd/internal/display"
)

// serializer writes answers so that they can be looked at as they are.
type serializer struct{ echo.DefaultJSONSerializer }

// Serialize implements echo.JSONSerializer.
func (serializer) Serialize(c echo.Context, v any, _ string) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = c.Response().Write(append(display.JSON(text), '\n'))
	return err
}
