package scope

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// Resource is what the protected-resource metadata at location says it is about
// (RFC 9728, section 2), as it stands there. It is fetched as a source is; t may
// be nil. Of whether it is the audience, and of scopes, it says nothing.
func Resource(ctx context.Context, t http.RoundTripper, location string) (string, error) {
	if err := CheckURL(location); err != nil {
		return "", err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, location, nil)
	if err != nil {
		return "", errors.New("is not a URL")
	}
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", "grantd")
	resp, err := newClient(t).Do(r)
	if err != nil {
		return "", withoutURL(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("answers with status %d", resp.StatusCode)
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxSize+1))
	switch {
	case err != nil:
		return "", fmt.Errorf("read the answer: %w", err)
	case len(data) > maxSize:
		return "", fmt.Errorf("the answer is longer than %d bytes", maxSize)
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(data, &object); err != nil || object == nil {
		return "", errors.New("the answer is not a JSON object")
	}
	var got *string
	if err := json.Unmarshal(object["resource"], &got); err != nil || got == nil {
		return "", errors.New(`the answer has no text under "resource"`)
	}
	return *got, nil
}
