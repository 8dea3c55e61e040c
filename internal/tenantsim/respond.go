package tenantsim

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
)

// Error is a refusal as the Management API words it.
// https://auth0.com/docs/api/management/v2
type Error struct {
	Status  int    // HTTP status, 400 to 599
	Code    string // Auth0's errorCode; some endpoints send none
	Message string
}

// Error implements error.
func (e *Error) Error() string {
	return fmt.Sprintf("auth0 answers %d %s: %s", e.Status, e.Code, e.Message)
}

func (e *Error) response() response {
	return jsonResponse(e.Status, struct {
		Status  int    `json:"statusCode"`
		Error   string `json:"error"`
		Message string `json:"message"`
		Code    string `json:"errorCode,omitempty"`
	}{e.Status, http.StatusText(e.Status), e.Message, e.Code})
}

func badPayload(detail, property string) *Error {
	return &Error{http.StatusBadRequest, "invalid_body",
		fmt.Sprintf("Payload validation error: '%s' on property %s.", detail, property)}
}

func badQuery(detail, property string) *Error {
	return &Error{http.StatusBadRequest, "invalid_query_string",
		fmt.Sprintf("Query validation error: '%s' on property %s.", detail, property)}
}

func badPaging(message string) *Error {
	return &Error{http.StatusBadRequest, "invalid_paging", message}
}

func tooManyEntities() *Error {
	return &Error{http.StatusForbidden, "too_many_entities",
		"You reached the limit of entities of this type for this tenant."}
}

func noClient() *Error {
	return &Error{http.StatusNotFound, "inexistent_client", "The client does not exist"}
}

// response is an answer before it is written: faults may still spoil it.
type response struct {
	status int
	header http.Header // nil: only the usual ones
	body   []byte

	logBody any      // what the log keeps of the body; nil: the body itself
	secrets []string // names of the secrets the answer holds
	silent  bool     // a write that is not logged
}

func jsonResponse(status int, v any) response {
	body, err := json.Marshal(v)
	if err != nil {
		body = []byte(`{"statusCode":500,"error":"Internal Server Error","message":"An internal server error occurred"}`)
		status = http.StatusInternalServerError
	}
	return response{status: status, body: body}
}

func noContent() response { return response{status: http.StatusNoContent} }

func (r *response) set(key, value string) {
	if r.header == nil {
		r.header = http.Header{}
	}
	r.header.Set(key, value)
}

// write sends the response, all of it.
func (r *response) write(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Cache-Control", "no-cache")
	maps.Copy(h, r.header)
	w.WriteHeader(r.status)
	if len(r.body) > 0 && r.status != http.StatusNoContent {
		// The caller has gone away if this fails; nobody is left to tell.
		_, _ = w.Write(r.body)
	}
}
