package tenantsim

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"time"
)

type wireHeader struct {
	Header string `json:"header"`
	Value  string `json:"value"`
}

type wireSink struct {
	Authorization string       `json:"httpAuthorization,omitempty"`
	Format        Format       `json:"httpContentFormat,omitempty"`
	ContentType   string       `json:"httpContentType,omitempty"`
	Endpoint      string       `json:"httpEndpoint,omitempty"`
	Headers       []wireHeader `json:"httpCustomHeaders,omitempty"`
}

type wireFilter struct {
	Type string `json:"type"`
	Name string `json:"name"`
}

func (s *Stream) wire() (wireSink, []wireFilter) {
	sink := wireSink{Authorization: s.sink.Authorization, Format: s.sink.Format, ContentType: s.sink.ContentType, Endpoint: s.sink.URL}
	for _, name := range slices.Sorted(maps.Keys(s.sink.Headers)) {
		sink.Headers = append(sink.Headers, wireHeader{name, s.sink.Headers[name]})
	}
	var filters []wireFilter
	for _, f := range s.filters {
		filters = append(filters, wireFilter{"category", f})
	}
	return sink, filters
}

func (s *Stream) render(log bool) json.RawMessage {
	sink, filters := s.wire()
	if log { // the log omits where entries go and what opens the door there
		sink.Authorization, sink.Endpoint, sink.Headers = "", "", nil
	}
	return withExtra(struct {
		ID       string          `json:"id"`
		Name     string          `json:"name"`
		Type     string          `json:"type"`
		Status   string          `json:"status"`
		Sink     wireSink        `json:"sink"`
		Filters  []wireFilter    `json:"filters,omitempty"`
		PII      json.RawMessage `json:"pii_config,omitempty"`
		Priority bool            `json:"isPriority"`
	}{s.id, s.name, "http", s.status, sink, filters, s.pii, false}, nil)
}

func (s *Stream) answer() response {
	return response{status: http.StatusOK, body: s.render(false), logBody: s.render(true)}
}

func (t *Tenant) listStreams(*request) (response, *Error) {
	items := []json.RawMessage{}
	for s := range t.streams.all() {
		items = append(items, s.render(false))
	}
	return jsonResponse(http.StatusOK, items), nil
}

func (t *Tenant) getStream(r *request) (response, *Error) {
	s := t.streams.get(r.vars[0])
	if s == nil {
		return response{}, noStream()
	}
	return s.answer(), nil
}

func streamShape(name string) (shape, bool) {
	switch name {
	case "name", "status", "startFrom", "type":
		return isString, true
	case "sink", "pii_config":
		return isObject, true
	case "filters":
		return isArray, true
	case "isPriority":
		return isBool, true
	}
	return "", false
}

// readSink reads the whole sink: a PATCH replaces it.
func readSink(p props, into *LogStream) *Error {
	var members props
	if json.Unmarshal(p["sink"], &members) != nil {
		return badPayload("Expected type object", "sink")
	}
	if fail := members.only(func(name string) (shape, bool) {
		switch name {
		case "httpAuthorization", "httpContentFormat", "httpContentType", "httpEndpoint":
			return isString, true
		case "httpCustomHeaders":
			return isArray, true
		}
		return "", false
	}); fail != nil {
		return fail
	}
	var sink wireSink
	if json.Unmarshal(p["sink"], &sink) != nil {
		return badPayload("Expected type object", "sink.httpCustomHeaders[0]")
	}
	if sink.Endpoint == "" {
		return badPayload("Missing required property: httpEndpoint", "sink.httpEndpoint")
	}
	switch sink.Format {
	case "":
		sink.Format = JSONLines
	case JSONLines, JSONArray, JSONObject:
	default:
		return badPayload("No enum match for: "+string(sink.Format), "sink.httpContentFormat")
	}
	if sink.ContentType == "" {
		sink.ContentType = "application/json"
	}
	into.URL, into.Authorization, into.Format, into.ContentType = sink.Endpoint, sink.Authorization, sink.Format, sink.ContentType
	into.Headers = map[string]string{}
	for _, h := range sink.Headers {
		into.Headers[h.Header] = h.Value
	}
	return nil
}

func readFilters(p props) ([]string, *Error) {
	var filters []wireFilter
	if p.has("filters") && json.Unmarshal(p["filters"], &filters) != nil {
		return nil, badPayload("Expected type object", "filters[0]")
	}
	var out []string
	for i, f := range filters {
		if f.Type != "category" || !knownCategory(f.Name) {
			return nil, badPayload("No enum match for: "+f.Name, "filters["+itoa(i)+"].name")
		}
		out = append(out, f.Name)
	}
	return out, nil
}

func (t *Tenant) createStream(r *request) (response, *Error) {
	if fail := r.props.only(streamShape); fail != nil {
		return response{}, fail
	}
	if fail := r.props.require("type", "sink"); fail != nil {
		return response{}, fail
	}
	if kind := r.props.str("type"); kind != "http" {
		return response{}, badPayload("No enum match for: "+kind, "type")
	}
	l := LogStream{Delivery: t.delivery}
	if fail := readSink(r.props, &l); fail != nil {
		return response{}, fail
	}
	filters, fail := readFilters(r.props)
	if fail != nil {
		return response{}, fail
	}
	l.Filters = filters
	if from := r.props.str("startFrom"); from != "" {
		at, err := time.Parse(time.RFC3339, from)
		if err != nil {
			return response{}, badPayload("Object didn't pass validation for format date-time: "+from, "startFrom")
		}
		l.StartFrom = at
	}
	name := r.props.str("name")
	if name == "" {
		name = "log stream"
	}
	// Auth0 answers 200 here, not 201.
	return t.insertStream(name, l, slices.Clone(r.props["pii_config"])).answer(), nil
}

func (t *Tenant) patchStream(r *request) (response, *Error) {
	s := t.streams.get(r.vars[0])
	if s == nil {
		return response{}, noStream()
	}
	p := r.props
	if fail := p.only(streamShape); fail != nil {
		return response{}, fail
	}
	for _, fixed := range []string{"type", "startFrom"} {
		if p.has(fixed) {
			return response{}, badPayload("Additional properties not allowed: "+fixed, fixed)
		}
	}
	sink := s.sink
	if p.has("sink") {
		if fail := readSink(p, &sink); fail != nil {
			return response{}, fail
		}
	}
	filters, fail := readFilters(p)
	if fail != nil {
		return response{}, fail
	}
	switch status := p.str("status"); status {
	case "":
	case streamActive, streamPaused:
		s.status, s.failing = status, time.Time{}
	default:
		return response{}, badPayload("No enum match for: "+status, "status")
	}
	s.sink = sink
	if p.has("filters") {
		s.filters = filters
	}
	if p.has("name") {
		s.name = p.str("name")
	}
	if p.has("pii_config") {
		s.pii = slices.Clone(p["pii_config"])
		if p.null("pii_config") {
			s.pii = nil
		}
	}
	s.signal()
	return s.answer(), nil
}

// deleteStream answers 204 also when there was no such stream.
func (t *Tenant) deleteStream(r *request) (response, *Error) {
	res := noContent()
	s := t.streams.get(r.vars[0])
	if s == nil {
		res.silent = true
		return res, nil
	}
	t.streams.remove(s.id)
	s.removed = true
	s.stop()
	return res, nil
}
