/** `bay dial-stdio --announce` writes it to standard error when it is connected to bayd, so that the login is over. */
export const ANNOUNCEMENT = "bay dial-stdio: connected\n";
