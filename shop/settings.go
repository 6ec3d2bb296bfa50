package shop

import (
	"slices"
	"time"

	"github.com/rekeyhq/rekey/password"
)

// The paths of all settings. Those marked C are Adobe Commerce's own.
const (
	PasswordPreset           = "customer/password/preset"
	ResetProtectionType      = "customer/password/password_reset_protection_type"           // C
	MaxResetRequests         = "customer/password/max_number_password_reset_requests"       // C
	MinTimeBetweenResets     = "customer/password/min_time_between_password_reset_requests" // C
	MaxRequestsPerClient     = "customer/password/max_requests_per_client"
	LinkExpirationPeriod     = "customer/password/reset_link_expiration_period" // C
	ObjectionHold            = "customer/password/hold_after_objection"
	RequiredCharacterClasses = "customer/password/required_character_classes_number" // C
	MinimumPasswordLength    = "customer/password/minimum_password_length"           // C
	AllowWhiteSpace          = "customer/password/allow_white_space"
	CommonPasswords          = "customer/password/common_passwords"
	LockoutFailures          = "customer/password/lockout_failures"           // C
	LockoutThreshold         = "customer/password/lockout_threshold"          // C
	AutocompleteOnStorefront = "customer/password/autocomplete_on_storefront" // C
	RequireConfirmation      = "customer/create_account/confirm"              // C
	RegistrationAnswer       = "customer/create_account/answer"
	RegistrationAnswerAPI    = "customer/create_account/api_answer"
	MaxEmailsToStrangers     = "customer/create_account/max_emails_to_unproven"
	RegistrationLinkPeriod   = "customer/create_account/confirmation_link_expiration_period"
	MaxSignInFailuresClient  = "customer/signin/max_failures_per_client"
	SignInByLetter           = "customer/signin_by_letter/enabled"
	SignInCodePeriod         = "customer/signin_by_letter/code_expiration_period"
	Passkeys                 = "customer/signin/passkeys"
	SessionLifetime          = "customer/session/lifetime"
	SessionIdle              = "customer/session/idle"
	ProtectionMode           = "customer/protection/mode"
	ProtectionResets         = "customer/protection/max_resets"
	ProtectionFailures       = "customer/protection/max_failed_signins"
	ProtectionDifficulty     = "customer/protection/difficulty"
	ProtectionWait           = "customer/protection/waiting_time"
	ProtectionWaits          = "customer/protection/max_waits_per_client"
	ProtectionAPI            = "customer/protection/web_api"
	CustomerTokenLifetime    = "oauth/access_token_lifetime/customer"        // C
	AdminTokenLifetime       = "oauth/access_token_lifetime/admin"           // C
	IntegrationAsBearer      = "oauth/consumer/enable_integration_as_bearer" // C
	PrivateCallbacks         = "oauth/consumer/allow_private_addresses"
	AdminLockoutFailures     = "admin/security/lockout_failures"  // C
	AdminLockoutThreshold    = "admin/security/lockout_threshold" // C
	AdminSessionLifetime     = "admin/security/session_lifetime"  // C
	AdminMinPasswordLength   = "admin/security/minimum_password_length"
	AdminSecondFactor        = "admin/security/second_factor"
	AdminURL                 = "admin/url/custom"                                        // C
	AdminMaxResetRequests    = "admin/security/max_number_password_reset_requests"       // C
	AdminMinTimeBetween      = "admin/security/min_time_between_password_reset_requests" // C
	AdminLinkPeriod          = "admin/security/password_reset_link_expiration_period"    // C
	WebhookPrivateAddresses  = "webhooks/delivery/allow_private_addresses"
	HSTS                     = "web/secure/hsts"
	ShopAddress              = "web/shop/url"
	KeepLetters              = "system/retention/letters"
	KeepAudit                = "system/retention/audit"
)

// The values of AdminSecondFactor.
const (
	SecondFactorOptional = "optional"
	SecondFactorRequired = "required"
)

// The values of ResetProtectionType.
const (
	ProtectionNone         = "0"
	ProtectionByIPAndEmail = "1"
	ProtectionByIP         = "2"
	ProtectionByEmail      = "3"
)

// The values of CommonPasswords.
const (
	CommonPasswordsOff     = password.Accept
	CommonPasswordsAdvise  = password.Advise
	CommonPasswordsEnforce = password.Enforce
)

// The values of RegistrationAnswer.
const (
	RegistrationNeutral   = "neutral"
	RegistrationImmediate = "immediate"
)

// The values of ProtectionMode.
const (
	ProtectionAuto   = "auto"
	ProtectionNever  = "never"
	ProtectionAlways = "always"
)

// The values of ProtectionAPI.
const (
	ProtectionOrdinary = "ordinary"
	ProtectionStrict   = "strict"
)

// The values of ProtectionDifficulty.
const (
	DifficultyLight  = "light"
	DifficultyNormal = "normal"
	DifficultyHeavy  = "heavy"
)

// The values of HSTS.
const (
	HSTSOff        = "off"
	HSTSHost       = "host"
	HSTSSubdomains = "subdomains"
)

// MaxLinkPeriod is the ceiling of LinkExpirationPeriod: a recovery code sent by e-mail is valid for at most 24 hours
// (NIST SP 800-63B-4 §4.2.1.2).
const MaxLinkPeriod = 24 * time.Hour

// Sections and groups of the console's Configuration page, named as in Commerce.
const (
	customerConfiguration = "Customer Configuration"
	passwordOptions       = "Password Options"
	createAccountOptions  = "Create New Account Options"
	loginOptions          = "Login Options"
	protectionOptions     = "Protection under Attack"
	oauthSection          = "OAuth"
	accessTokenExpiration = "Access Token Expiration"
	consumerSettings      = "Consumer Settings"
	adminSection          = "Admin"
	adminSecurity         = "Security"
	adminBaseURL          = "Admin Base URL"
	webhookSection        = "Webhooks"
	webhookDelivery       = "Delivery"
	webSection            = "Web"
	webSecure             = "Base URLs (Secure)"
	webShop               = "Shop"
	systemSection         = "System"
	systemRetention       = "Retention"
)

const (
	hour = int64(time.Hour)
	day  = 24 * hour
)

// registry is fixed at start; nothing changes it.
var registry = slices.Concat(passwordSettings, accountSettings, protectionSettings, adminSettings)

var passwordSettings = []Setting{
	{
		Path: PasswordPreset, Label: "Password Rules Preset",
		Help:    "Supplies the defaults of the rules below, for the default scope or for one website. What is set at the same scope itself wins over the preset.",
		Section: customerConfiguration, Group: passwordOptions,
		Type: Choice, Options: presetOptions(), Default: "commerce", Scopes: untilWebsites,
	},
	{
		Path: ResetProtectionType, Label: "Password Reset Protection Type",
		Help:    "What the limits of reset requests count: requests from one client address, requests for one email address, either, or nothing.",
		Section: customerConfiguration, Group: passwordOptions,
		Type: Choice, Default: ProtectionByIPAndEmail, Scopes: everywhere,
		Options: []Option{{ProtectionByIPAndEmail, "By IP and Email"}, {ProtectionByIP, "By IP"}, {ProtectionByEmail, "By Email"}, {ProtectionNone, "None"}},
	},
	{
		Path: MaxResetRequests, Label: "Max Number of Password Reset Requests",
		Help:    "Limit the number of password reset requests per hour. Use 0 to disable.",
		Section: customerConfiguration, Group: passwordOptions,
		Type: Number, Default: "5", Scopes: everywhere, Min: 0, Max: 1000,
	},
	{
		Path: MinTimeBetweenResets, Label: "Min Time Between Password Reset Requests",
		Help:    "Delay in minutes between password reset requests. Use 0 to disable.",
		Section: customerConfiguration, Group: passwordOptions,
		Type: Time, Unit: "minutes", Default: "10", Scopes: everywhere, Min: 0, Max: day,
	},
	{
		Path: MaxRequestsPerClient, Label: "Max Requests per Client Address",
		Help:    "Limit the number of reset requests per hour from one client address, whatever email addresses it asks for. Use 0 to disable.",
		Section: customerConfiguration, Group: passwordOptions,
		Type: Number, Default: "40", Scopes: everywhere, Min: 0, Max: 10_000,
	},
	{
		Path: LinkExpirationPeriod, Label: "Recovery Link Expiration Period",
		Help:    "How long the link of a letter can be used, at most 24 hours.",
		Section: customerConfiguration, Group: passwordOptions,
		Type: Time, Unit: "hours", Default: "24", Scopes: ScopeDefault, Min: int64(time.Second), Max: int64(MaxLinkPeriod),
	},
	{
		// With the few holds of a day that recovery allows, the longest still leaves hours in which a letter is written.
		Path: ObjectionHold, Label: "Hold Resets After “It wasn't me”",
		Help:    "How long, after somebody has pressed “It wasn't me” in a letter, further requests for a new password send none. Nobody sees a difference; the customer's password, and Reset Password here, go on working. Where somebody else may know the password, the account also keeps its address and takes no new passkeys for as long. Use 0 to disable.",
		Section: customerConfiguration, Group: passwordOptions,
		Type: Time, Unit: "minutes", Default: "60", Scopes: untilWebsites, Min: 0, Max: 6 * hour,
	},
	{
		Path: RequiredCharacterClasses, Label: "Number of Required Character Classes",
		Help:    "How many of the classes lower-case letters, upper-case letters, digits and other characters a password must contain.",
		Section: customerConfiguration, Group: passwordOptions,
		Type: Number, Default: "1", Scopes: ScopeDefault, Min: 1, Max: 4,
	},
	{
		Path: MinimumPasswordLength, Label: "Minimum Password Length",
		Help:    "The least number of characters of a password. It holds when a password is set, never when it is tried.",
		Section: customerConfiguration, Group: passwordOptions,
		Type: Number, Unit: "characters", Default: "6", Scopes: ScopeDefault, Min: 1, Max: 128,
	},
	{
		Path: AllowWhiteSpace, Label: "Allow Spaces in Passwords",
		Help:    "Whether a password may contain spaces and other white space. Spaces are never removed silently.",
		Section: customerConfiguration, Group: passwordOptions,
		Type: YesNo, Default: "0", Scopes: untilWebsites,
	},
	{
		Path: CommonPasswords, Label: "Common Passwords",
		Help:    "What happens when somebody chooses one of the most used passwords, or one of the list of breached passwords, where one was imported (rekey passwords import).",
		Section: customerConfiguration, Group: passwordOptions,
		Type: Choice, Default: CommonPasswordsAdvise, Scopes: untilWebsites,
		Options: []Option{{CommonPasswordsOff, "Accept"}, {CommonPasswordsAdvise, "Advise against"}, {CommonPasswordsEnforce, "Refuse"}},
	},
	{
		Path: LockoutFailures, Label: "Maximum Login Failures to Lockout Account",
		Help:    "Use 0 to disable account locking.",
		Section: customerConfiguration, Group: passwordOptions,
		Type: Number, Default: "10", Scopes: ScopeDefault, Min: 0, Max: 1000,
	},
	{
		Path: LockoutThreshold, Label: "Lockout Time",
		Help:    "How long an account stays locked, in minutes. Use 0 to disable account locking.",
		Section: customerConfiguration, Group: passwordOptions,
		Type: Time, Unit: "minutes", Default: "10", Scopes: ScopeDefault, Min: 0, Max: 7 * day,
	},
	{
		Path: AutocompleteOnStorefront, Label: "Enable Autocomplete on login/forgot password forms",
		Help:    "Lets browsers and password managers fill in the forms.",
		Section: customerConfiguration, Group: passwordOptions,
		Type: YesNo, Default: "1", Scopes: untilWebsites,
	},
}

var accountSettings = []Setting{
	{
		Path: RequireConfirmation, Label: "Require Emails Confirmation",
		Help:    "Whether an account created at once must confirm its email address before signing in.",
		Section: customerConfiguration, Group: createAccountOptions,
		Type: YesNo, Default: "0", Scopes: untilWebsites,
	},
	{
		Path: RegistrationAnswer, Label: "Answer to New Accounts",
		Help:    "Neutral: everybody reads the same answer and finishes by letter, so that nobody learns who is a customer. Immediate: the account is open at once, and a known address is named as such.",
		Section: customerConfiguration, Group: createAccountOptions,
		Type: Choice, Default: RegistrationNeutral, Scopes: untilWebsites,
		Options: []Option{{RegistrationNeutral, "Neutral, finished by letter"}, {RegistrationImmediate, "Immediate"}},
	},
	{
		Path: RegistrationAnswerAPI, Label: "Answer to New Accounts by the Web API",
		Help:    "Immediate is what clients written for Adobe Commerce expect: the account is open at once, and a known address is named as such. Neutral: everybody gets the same answer and finishes by letter.",
		Section: customerConfiguration, Group: createAccountOptions,
		Type: Choice, Default: RegistrationImmediate, Scopes: untilWebsites,
		Options: []Option{{RegistrationNeutral, "Neutral, finished by letter"}, {RegistrationImmediate, "Immediate"}},
	},
	{
		Path: MaxEmailsToStrangers, Label: "Max Emails to Unproven Addresses",
		Help:    "Limit the number of emails per hour, of the whole website, that visitors can have sent to addresses that nobody has proven: to finish or announce a new account, to confirm a new address. Pages answer as ever beyond it; the email says in its history why it was not sent. Use 0 for no limit.",
		Section: customerConfiguration, Group: createAccountOptions,
		Type: Number, Default: "1000", Scopes: untilWebsites, Min: 0, Max: 10_000,
	},
	{
		Path: RegistrationLinkPeriod, Label: "Confirmation Link Expiration Period",
		Help:    "How long the link that finishes a new account can be used.",
		Section: customerConfiguration, Group: createAccountOptions,
		Type: Time, Unit: "hours", Default: "24", Scopes: untilWebsites, Min: int64(time.Second), Max: 7 * day,
	},
	{
		Path: MaxSignInFailuresClient, Label: "Max Failed Sign-Ins per Client Address",
		Help:    "Limit the number of wrong passwords per hour from one client address, whatever accounts it tries. Use 0 to disable.",
		Section: customerConfiguration, Group: loginOptions,
		Type: Number, Default: "100", Scopes: untilWebsites, Min: 0, Max: 10_000,
	},
	{
		Path: SignInByLetter, Label: "Sign In by Letter",
		Help:    "Whether customers may sign in with a code that is sent to their email address, without a password. The code works once and only in the browser that asked for it. The limits of reset requests count its letters too, apart from those with links.",
		Section: customerConfiguration, Group: loginOptions,
		Type: YesNo, Default: "0", Scopes: untilWebsites,
	},
	{
		Path: SignInCodePeriod, Label: "Sign-In Code Expiration Period",
		Help:    "How long the code of a letter can be used to sign in.",
		Section: customerConfiguration, Group: loginOptions,
		Type: Time, Unit: "minutes", Default: "10", Scopes: untilWebsites, Min: int64(time.Second), Max: hour,
	},
	{
		Path: Passkeys, Label: "Passkeys",
		Help:    "Whether customers may sign in, and set a new password, with a passkey: a fingerprint, a face or a PIN of their own device. Without, the passkeys that there are stay and sign nobody in.",
		Section: customerConfiguration, Group: loginOptions,
		Type: YesNo, Default: "1", Scopes: untilWebsites,
	},
	{
		Path: SessionLifetime, Label: "Customer Session Lifetime",
		Help:    "How long a customer stays signed in in one browser at most.",
		Section: customerConfiguration, Group: loginOptions,
		Type: Time, Unit: "days", Default: "30", Scopes: untilWebsites, Min: int64(time.Second), Max: 366 * day,
	},
	{
		Path: SessionIdle, Label: "Customer Session Idle Time",
		Help:    "How long a customer who does nothing stays signed in.",
		Section: customerConfiguration, Group: loginOptions,
		Type: Time, Unit: "days", Default: "7", Scopes: untilWebsites, Min: int64(time.Second), Max: 366 * day,
	},
}

var adminSettings = []Setting{
	{
		Path: CustomerTokenLifetime, Label: "Customer Token Lifetime",
		Help:    "How long a token of the web API is accepted.",
		Section: oauthSection, Group: accessTokenExpiration,
		Type: Time, Unit: "hours", Default: "1", Scopes: ScopeDefault, Min: int64(time.Second), Max: 366 * day,
	},
	{
		Path: AdminTokenLifetime, Label: "Admin Token Lifetime",
		Help:    "How long a token of an administrator is accepted.",
		Section: oauthSection, Group: accessTokenExpiration,
		Type: Time, Unit: "hours", Default: "4", Scopes: ScopeDefault, Min: int64(time.Second), Max: 366 * day,
	},
	{
		Path: IntegrationAsBearer, Label: "Allow OAuth Access Tokens to be used as standalone Bearer tokens",
		Help:    "Whether an integration's access token is accepted by itself. Otherwise every request of an integration must be signed with its secrets.",
		Section: oauthSection, Group: consumerSettings,
		Type: YesNo, Default: "0", Scopes: ScopeDefault,
	},
	{
		Path: PrivateCallbacks, Label: "Allow Callback URLs on Private Addresses",
		Help:    "Whether activating an integration may send its secrets to a server in the store's own network. Otherwise such a callback is refused.",
		Section: oauthSection, Group: consumerSettings,
		Type: YesNo, Default: "0", Scopes: ScopeDefault,
	},
	{
		Path: AdminLockoutFailures, Label: "Maximum Login Failures to Lockout Account",
		Help:    "For administrators. Use 0 to disable account locking.",
		Section: adminSection, Group: adminSecurity,
		Type: Number, Default: "6", Scopes: ScopeDefault, Min: 0, Max: 1000,
	},
	{
		Path: AdminLockoutThreshold, Label: "Lockout Time",
		Help:    "How long an administrator's account stays locked, in minutes.",
		Section: adminSection, Group: adminSecurity,
		Type: Time, Unit: "minutes", Default: "30", Scopes: ScopeDefault, Min: int64(time.Second), Max: 14 * day,
	},
	{
		Path: AdminSessionLifetime, Label: "Admin Session Lifetime",
		Help:    "How long an administrator who does nothing stays signed in, in seconds.",
		Section: adminSection, Group: adminSecurity,
		Type: Time, Unit: "seconds", Default: "900", Scopes: ScopeDefault, Min: int64(time.Second), Max: 366 * day,
	},
	{
		Path: AdminMinPasswordLength, Label: "Minimum Password Length",
		Help:    "The least number of characters of an administrator's password. Common, breached and easily guessed ones are refused whatever their length. It holds when a password is set, never when it is tried.",
		Section: adminSection, Group: adminSecurity,
		Type: Number, Unit: "characters", Default: "12", Scopes: ScopeDefault, Min: 8, Max: 128,
	},
	{
		Path: AdminSecondFactor, Label: "Second Factor",
		Help:    "Whether administrators may, or must, prove a code of an authenticator app beside their password. Where they must, one who has none sets it up before anything else, and the web API gives administrators no token without a code.",
		Section: adminSection, Group: adminSecurity,
		Type: Choice, Default: SecondFactorOptional, Scopes: ScopeDefault,
		Options: []Option{{SecondFactorOptional, "Optional"}, {SecondFactorRequired, "Required"}},
	},
	{
		Path: AdminMaxResetRequests, Label: "Max Number of Password Reset Requests",
		Help:    "Limit the number of letters per hour with which one administrator may choose a new password. Use 0 to disable.",
		Section: adminSection, Group: adminSecurity,
		Type: Number, Default: "5", Scopes: ScopeDefault, Min: 0, Max: 1000,
	},
	{
		Path: AdminMinTimeBetween, Label: "Min Time Between Password Reset Requests",
		Help:    "Delay in minutes between such letters. Use 0 to disable.",
		Section: adminSection, Group: adminSecurity,
		Type: Time, Unit: "minutes", Default: "10", Scopes: ScopeDefault, Min: 0, Max: day,
	},
	{
		Path: AdminLinkPeriod, Label: "Recovery Link Expiration Period",
		Help:    "How long the link of such a letter can be used, at most 24 hours.",
		Section: adminSection, Group: adminSecurity,
		Type: Time, Unit: "hours", Default: "2", Scopes: ScopeDefault, Min: int64(time.Second), Max: int64(MaxLinkPeriod),
	},
	{
		Path: AdminURL, Label: "Custom Admin URL",
		Help:    "Where the links of administrators' letters lead: the console's address without /admin. Needed where the console has an address of its own; otherwise it is the host of the first store view's base URL.",
		Section: adminSection, Group: adminBaseURL,
		Type: WebAddress, Scopes: ScopeDefault,
	},
	{
		Path: WebhookPrivateAddresses, Label: "Allow Private Addresses",
		Help:    "Whether events may be sent to loopback and private addresses, for receivers in the store's own network. Link-local addresses are refused always.",
		Section: webhookSection, Group: webhookDelivery,
		Type: YesNo, Default: "0", Scopes: ScopeDefault,
	},
	{
		Path: HSTS, Label: "HTTP Strict Transport Security (HSTS)",
		Help:    "Whether browsers are told to reach this host by https only, for a year. With subdomains they do so for every host below it too, also those that are not Rekey's: choose that only where all of them have https. Off says nothing and leaves it to the proxy; a browser that was told keeps to it until it is told otherwise. Store views on one host should agree.",
		Section: webSection, Group: webSecure,
		Type: Choice, Default: HSTSHost, Scopes: untilWebsites,
		Options: []Option{{HSTSHost, "This host"}, {HSTSSubdomains, "This host and its subdomains"}, {HSTSOff, "Off"}},
	},
	{
		Path: ShopAddress, Label: "Shop's Address",
		Help:    "Where the shop itself is, such as https://shop.example. The name on top of the pages leads there, and whoever the shop sends to sign in (with Adobe Commerce's parameter referer) is led back to a page of that host, or of the base URL's. Without it the name leads nowhere.",
		Section: webSection, Group: webShop,
		Type: WebAddress, Scopes: everywhere,
	},
	{
		// No letter or delivery is tried for as long as the least of this, so that nothing on its way is ever deleted.
		Path: KeepLetters, Label: "Keep Letters, Links and Deliveries",
		Help:    "How long the history of a letter that has ended, of a link that no longer works and of an event told to a webhook is kept, for timelines.",
		Section: systemSection, Group: systemRetention,
		Type: Time, Unit: "days", Default: "90", Scopes: ScopeDefault, Min: 8 * day, Max: 3660 * day,
	},
	{
		Path: KeepAudit, Label: "Keep the Audit",
		Help:    "How long it is kept who did what. Older entries are deleted; the database itself refuses to let go of any other.",
		Section: systemSection, Group: systemRetention,
		Type: Time, Unit: "days", Default: "365", Scopes: ScopeDefault, Min: 30 * day, Max: 3660 * day,
	},
}
