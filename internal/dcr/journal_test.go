package dcr_test

import (
	"slices"
	"testing"

	"grantd/internal/dcr"
)

func TestTexts(t *testing.T) {
	for _, tt := range []struct {
		field any
		want  []string
		ok    bool
	}{
		{[]string{"a", "b"}, []string{"a", "b"}, true},
		{[]any{"a", "b"}, []string{"a", "b"}, true},
		{[]any{}, []string{}, true},
		{[]any{"a", 1}, nil, false},
		{"a", nil, false},
		{nil, nil, false},
	} {
		if got, ok := dcr.Texts(tt.field); ok != tt.ok || !slices.Equal(got, tt.want) {
			t.Errorf("Texts(%v) = %v, %v", tt.field, got, ok)
		}
	}
}
