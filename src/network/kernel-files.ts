/** Where the kernel shows the settings of links and of forwarding: /proc/sys/net (ip-sysctl) and /sys/class/net. */

/** The directory of /proc and /sys; empty for the host's own. A test has a directory without a kernel behind it. */
export const kernelFiles = { root: "" };

/** The path of a file of the kernel, such as `/proc/sys/net/ipv4/ip_forward`. */
export const kernelFile = (path: string): string => kernelFiles.root + path;
