/*
 * Auth0 Action for the trigger post-login, printed by grantd action.
 *
 * It runs at each login and each renewal of a token, for every application of
 * the tenant, and does something only where a token for this one API is asked
 * for. Which API that is decides the application, by the parameter audience, or
 * by resource where the tenant's Resource Parameter Compatibility Profile is on;
 * an Action cannot change it.
 *
 * What Auth0 ignores for third-party applications with enhanced security, which
 * is what clients become that register themselves (their ids begin with tpc_):
 *
 *  - addScope adds nothing. Such a client has the scopes that it asks for and
 *    its client grant allows, which grantd keeps as configured.
 *  - Tokens hold no openid, profile or email for your API.
 *
 * Actions do run for these clients; active Rules and Hooks break their logins.
//if Unknown
 *
 * Not among SCOPES: those of TOOL_SCOPES_FILE and TOOL_SCOPES_URL. The daemon
 * reads them, and none could be asked when this was printed.
//end
 */

// The API's Identifier, byte for byte.
const AUDIENCE = $Audience;
//if AddScopes

// What first-party applications, and third-party ones without enhanced security,
// get although they did not ask. It goes beyond the permissions of the user where
// the API has RBAC on: grantd action --scopes=false leaves this out.
const SCOPES = $Scopes;
//end
//if RoleClaim

// The claim of the access token that holds the names of the user's roles.
const ROLE_CLAIM = $RoleClaim;
//end
//if UIDClaim

// The claim of the access token that holds the user's id.
const UID_CLAIM = $UIDClaim;
//end

exports.onExecutePostLogin = async (event, api) => {
  if (event.resource_server?.identifier !== AUDIENCE) {
    return;
  }
//if AddScopes
  for (const scope of SCOPES) {
    api.accessToken.addScope(scope);
  }
//end
//if RoleClaim
  api.accessToken.setCustomClaim(ROLE_CLAIM, event.authorization?.roles ?? []);
//end
//if UIDClaim
  api.accessToken.setCustomClaim(UID_CLAIM, event.user.user_id);
//end
};
