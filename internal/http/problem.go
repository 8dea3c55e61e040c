package http

import (
	"encoding/json"
	"errors"
	nethttp "net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"
)

// Codes in the error field of a Problem.
const (
	codeBadRequest       = "bad_request"
	codeUnauthorized     = "unauthorized"
	codeForbidden        = "forbidden"
	codeHostNotAllowed   = "host_not_allowed"
	codeCrossSite        = "cross_site"
	codeNotFound         = "not_found"
	codeMethodNotAllowed = "method_not_allowed"
	codeTooLarge         = "too_large"
	codeNothingReadable  = "nothing_readable"
	codeUnavailable      = "unavailable"
	codeInternalError    = "internal_error"
	codeFailed           = "failed"
)

// Problem is the body of every answer that is an error.
type Problem struct {
	Code    string `json:"error"`
	Message string `json:"message"`
}

// problem is an error with the answer it leads to.
type problem struct {
	Problem
	status     int
	retryAfter time.Duration // for 503
	challenges []string      // for 401
	cause      error         // for the log alone; nil when it is not worth a line
}

func (p *problem) Error() string { return p.Code + ": " + p.Message }

func (p *problem) Unwrap() error { return p.cause }

func newProblem(status int, code, message string) *problem {
	return &problem{Problem: Problem{code, message}, status: status}
}

func badRequest(message string) *problem {
	return newProblem(nethttp.StatusBadRequest, codeBadRequest, message)
}

// problemOf is the answer to any error. What is not meant for the caller stays
// in the log.
func problemOf(err error) *problem {
	if p, ok := errors.AsType[*problem](err); ok {
		return p
	}
	if he, ok := errors.AsType[*echo.HTTPError](err); ok {
		switch he.Code {
		case nethttp.StatusNotFound:
			return newProblem(he.Code, codeNotFound, "There is nothing at this path.")
		case nethttp.StatusMethodNotAllowed:
			return newProblem(he.Code, codeMethodNotAllowed, "This path does not take that method.")
		}
	}
	p := newProblem(nethttp.StatusInternalServerError, codeInternalError, "A defect in grantd; its log has the details.")
	p.cause = err
	return p
}

// write answers with the problem.
func (p *problem) write(w nethttp.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	for _, c := range p.challenges {
		h.Add("WWW-Authenticate", c)
	}
	if p.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int(p.retryAfter.Round(time.Second)/time.Second)))
	}
	body, err := json.Marshal(p.Problem)
	if err != nil {
		body = []byte("{}")
	}
	body = append(body, '\n')
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(p.status)
	// A caller that is gone has no use for the rest.
	_, _ = w.Write(body)
}
