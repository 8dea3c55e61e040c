package auth0

import (
	"context"
	"net/url"

	"grantd/internal/dcr"
	"grantd/internal/display"
)

// settingFields are what is asked for of the tenant's settings: they are many,
// and concern much that is none of our business.
const settingFields = "flags,dynamic_client_registration_security_mode,client_id_metadata_document_supported," +
	"resource_parameter_profile,default_audience"

// TenantSettings reads those of the tenant's settings that decide whether
// clients can register and get tokens.
func (c *Client) TenantSettings(ctx context.Context) (dcr.TenantSettings, error) {
	body, err := c.get(ctx, opGetTenantSettings, "/tenants/settings", url.Values{"fields": {settingFields}, "include_fields": {"true"}})
	if err != nil {
		return dcr.TenantSettings{}, err
	}
	var w struct {
		Flags struct {
			Registration bool `json:"enable_dynamic_client_registration"`
		} `json:"flags"`
		Mode     text `json:"dynamic_client_registration_security_mode"`
		CIMD     bool `json:"client_id_metadata_document_supported"`
		Profile  text `json:"resource_parameter_profile"`
		Audience text `json:"default_audience"`
	}
	if err := unmarshal(body, &w, "answer"); err != nil {
		return dcr.TenantSettings{}, badResponse(opGetTenantSettings, err)
	}
	return dcr.TenantSettings{
		DynamicRegistration: w.Flags.Registration,
		RegistrationMode:    dcr.SecurityMode(display.Line(string(w.Mode), maxCode)),
		CIMD:                w.CIMD,
		ResourceProfile:     display.Line(string(w.Profile), maxCode),
		DefaultAudience:     display.Line(string(w.Audience), maxURL),
	}, nil
}
