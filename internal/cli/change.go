package cli

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"grantd/internal/dcr"
	"grantd/internal/display"
)

// describe says in words what a change does. Its values are from outside, and
// what comes out is printable.
func describe(c dcr.Change) string {
	said := ""
	switch c.Step {
	case dcr.StepGrant, dcr.StepRevoke:
		said = describeGrant(c)
	case dcr.StepForget:
		said = describeForget(c)
	case dcr.StepConnect:
		if name, ok := c.After["connection"].(string); ok && c.After["enabled"] == false {
			said = "disable " + name
		} else if ok {
			said = "enable " + name
		}
	case dcr.StepDomainLevel:
		if name, ok := c.After["connection"].(string); ok && c.After["is_domain_connection"] == false {
			said = "take " + name + " from domain level, for all third-party clients"
		} else if ok {
			said = "promote " + name + " to domain level, for all third-party clients"
		}
	}
	if said == "" {
		said = describeFields(c)
	}
	return display.Line(said, 1000)
}

func describeForget(c dcr.Change) string {
	said := "forgotten"
	if phase, ok := c.Before["phase"].(string); ok {
		said += ", was " + phase
	}
	if reason, ok := c.Before["reason"].(string); ok && reason != "" {
		said += ": " + reason
	}
	return said
}

func describeGrant(c dcr.Change) string {
	switch {
	case len(c.After) == 0 && len(c.Before) > 0:
		return "delete it"
	case c.After["allow_all_scopes"] == true:
		return "every scope of the API again"
	}
	after, ok := dcr.Texts(c.After["scope"])
	if !ok {
		return ""
	}
	if len(c.Before) == 0 {
		return "new, with " + list(after)
	}
	if c.Before["allow_all_scopes"] == true {
		return "instead of every scope of the API " + list(after)
	}
	before, ok := dcr.Texts(c.Before["scope"])
	if !ok {
		return ""
	}
	var parts []string
	if added := without(after, before); len(added) > 0 {
		parts = append(parts, "add "+list(added))
	}
	if taken := without(before, after); len(taken) > 0 {
		parts = append(parts, "take away "+list(taken))
	}
	return strings.Join(parts, ", ")
}

// describeFields is field by field what changes.
func describeFields(c dcr.Change) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(c.After)) {
		part := name + " " + value(c.After[name])
		if before, ok := c.Before[name]; ok {
			part = name + " " + value(before) + " → " + value(c.After[name])
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ", ")
}

func value(v any) string {
	if all, ok := dcr.Texts(v); ok {
		return list(all)
	}
	switch v := v.(type) {
	case nil, string:
		if v == nil || v == "" {
			return "(empty)"
		}
		return fmt.Sprint(v)
	}
	b, err := json.Marshal(v)
	if err != nil {
		return "?"
	}
	return string(b)
}

func list(all []string) string {
	if len(all) == 0 {
		return "nothing"
	}
	return strings.Join(all, " ")
}

func without(all, these []string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(s string) bool { return slices.Contains(these, s) })
}
