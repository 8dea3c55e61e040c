package setup

import (
	"context"
	"fmt"
	"slices"

	"grantd/internal/auth0"
	"grantd/internal/dcr"
)

// applicationName is what grantd's application is called.
const applicationName = "grantd"

// newID stands in a shown call for an id that is not known yet.
const newID = "[the new application's id]"

func (s State) application() []Action {
	switch {
	case s.ClientID == "":
		return []Action{s.newApplication()}
	case s.App == nil:
		return []Action{{
			Kind: Credential, Status: Person, Title: "MGMT_CLIENT_ID " + s.ClientID + " is no application of the tenant",
			Why:       "The daemon logs in as that application. Take MGMT_CLIENT_ID and MGMT_CLIENT_SECRET out of the configuration and run grantd setup again: it makes one.",
			Dashboard: "Applications → Applications → grantd's application → Settings → Client ID",
		}}
	}
	all := []Action{{Kind: Application, Status: Is, Title: "grantd has an application of its own, " + s.ClientID}, s.ownGrant()}
	if !s.HasSecret {
		all = append(all, Action{
			Kind: Credential, Status: Person, Title: "Set MGMT_CLIENT_SECRET",
			Why:       "MGMT_CLIENT_ID is configured and its secret is not. Auth0 shows it to you and not to grantd.",
			Dashboard: "Applications → Applications → grantd's application → Settings → Client Secret",
		})
	}
	return all
}

func (s State) newApplication() Action {
	app := auth0.NewApplication{
		Name: applicationName, Description: "Makes clients that register themselves able to log in",
		AppType: "non_interactive", FirstParty: true, OIDCConformant: true,
		GrantTypes: []string{"client_credentials"}, TokenEndpointAuthMethod: "client_secret_post",
	}
	grant := s.managementGrant(newID)
	why := "The daemon logs in as that application. It may do what is listed and nothing else."
	if len(s.Namesakes) > 0 {
		why += " There is one of that name already, " + s.Namesakes[0] + ": if it is this daemon's and you have its secret, say n, set MGMT_CLIENT_ID and MGMT_CLIENT_SECRET, and run grantd setup again."
	}
	return Action{
		Kind: Application, Status: Todo, Title: "Create an application for grantd, with a grant on the Management API",
		Why:    why,
		Calls:  []Call{{"POST", base + "/clients", app}, {"POST", base + "/client-grants", grant}},
		Writes: "MGMT_CLIENT_ID=[its id]\nMGMT_CLIENT_SECRET=[its secret]",
		Scopes: []string{"create:clients", "create:client_grants"},
		Needs:  EnvFile,
		do: func(ctx context.Context, d Doer) error {
			if err := d.File.CanKeep(); err != nil {
				return err
			}
			id, secret, err := d.Tenant.CreateApplication(ctx, d.ID, app)
			if err != nil {
				return err
			}
			// First what cannot be had again.
			if err := d.File.KeepApplication(id, secret); err != nil {
				return fmt.Errorf("application %s was made and its secret could not be kept: delete it under Applications in the dashboard, then run setup again: %w", id, err)
			}
			grant := grant
			grant.ClientID = id
			return d.Tenant.CreateManagementGrant(ctx, d.ID, grant)
		},
	}
}

func (s State) managementGrant(clientID string) auth0.NewManagementGrant {
	return auth0.NewManagementGrant{ClientID: clientID, Audience: s.Management(), SubjectType: "client", Scope: s.OwnScopes}
}

// ownGrant gives the application what it lacks, and takes nothing away.
func (s State) ownGrant() Action {
	a := Action{Kind: OwnGrant, Status: Is, Title: "Its grant on the Management API holds what the daemon needs"}
	a.Why = "Without it the daemon cannot do its work."
	if s.AppGrant == nil {
		grant := s.managementGrant(s.ClientID)
		a.Status, a.Title = Todo, "Grant grantd's application the Management API scopes it needs"
		a.Calls = []Call{{"POST", base + "/client-grants", grant}}
		a.Scopes = []string{"create:client_grants"}
		a.do = func(ctx context.Context, d Doer) error { return d.Tenant.CreateManagementGrant(ctx, d.ID, grant) }
		return a
	}
	missing := dcr.Without(s.OwnScopes, s.AppGrant.Scopes)
	if len(missing) == 0 || s.AppGrant.AllowAllScopes {
		a.Why = ""
		return a
	}
	id, scopes := s.AppGrant.ID, slices.Concat(s.AppGrant.Scopes, missing)
	a.Status, a.Title = Todo, fmt.Sprintf("Add %d Management API scopes to the grant of grantd's application", len(missing))
	if len(missing) == 1 {
		a.Title = "Add the Management API scope " + missing[0] + " to the grant of grantd's application"
	}
	a.Calls = []Call{{"PATCH", base + "/client-grants/" + id, map[string][]string{"scope": scopes}}}
	a.Scopes = []string{"update:client_grants"}
	a.do = func(ctx context.Context, d Doer) error { return d.Tenant.WidenGrant(ctx, d.ID, id, scopes) }
	return a
}
