# make.R - random data sets and what R makes of them; run as
#
#     Rscript --vanilla make.R > stats.txt
#
# Nothing of R is needed to test: stats.txt is kept beside this file. The seed is fixed. Lines of
# words; a set is
#
#     set KIND CONFIDENCE MU MARGIN
#     x N VALUES     y N VALUES
#     one ESTIMATE LOW HIGH P GREATER LESS      wilcox.test(x), p against mu
#     two ESTIMATE LOW HIGH P GREATER LESS      wilcox.test(y, x), p against margin
#     holm N VALUES                             p.adjust of GREATER of the last N sets, one and two
#
# KIND exact: 6 to 60 values and no ties, R counts out (exact = TRUE). tied: 6 to 60 values with
# ties and zeros, for which R has approximations alone: only the estimates, by their definition.
# large: 75 to 150 values, half of the sets with ties: R's normal approximation of p, and again the
# estimates by their definition; R searches an interval there, to 1e-4. "-" is not compared, "none"
# is an interval that R says does not exist at that confidence.
set.seed(20240607)

draw <- list(
  normal = function(n) rnorm(n, 0.02, 0.05),
  heavy = function(n) 0.02 + 0.03 * rt(n, 2),
  lognormal = function(n) exp(rnorm(n, -3, 0.7)) - 0.04,
  steps = function(n) cumsum(rnorm(n, 0, 0.02)),
  near = function(n) 1000 + rnorm(n, 0, 0.5))

words <- function(...) cat(..., "\n", sep = " ")
number <- function(v) sprintf("%.17g", v)
short <- function(v) sprintf("%.15g", v)

# As six digits say it, most of them: what is written is what was computed with.
make <- function(n, kind, digits) {
  v <- draw[[kind]](n)
  if (is.na(digits)) v else as.numeric(short(signif(v, digits)))
}
write <- function(name, v) {
  text <- short(v)
  exact <- as.numeric(text) == v
  text[!exact] <- number(v[!exact])
  words(name, length(v), paste(text, collapse = " "))
}

untied <- function(x, y, mu, margin) {
  one <- abs(x - mu)
  two <- c(y - margin, x)
  all(one > 0) && !anyDuplicated(one) && !anyDuplicated(two) && !anyDuplicated(c(x, y)) &&
    all(x != 0) && !anyDuplicated(abs(x))
}

p_values <- function(x, y, mu, ...)
  sapply(c("two.sided", "greater", "less"), function(side)
    suppressWarnings(wilcox.test(x, y, alternative = side, mu = mu, ...)$p.value))

# Fewer values than a confidence needs: R gives the whole range and a warning.
interval <- function(x, y, confidence) {
  whole <- FALSE
  t <- withCallingHandlers(
    wilcox.test(x, y, exact = TRUE, conf.int = TRUE, conf.level = confidence),
    warning = function(w) { whole <<- TRUE; invokeRestart("muffleWarning") })
  c(number(t$estimate), if (whole) c("none", "none") else number(t$conf.int))
}

walsh <- function(x) { s <- outer(x, x, "+"); median(s[!lower.tri(s)] / 2) }

greater <- c()
emit <- function(kind, x, y, confidence, mu, margin) {
  words("set", kind, confidence, number(mu), number(margin))
  write("x", x)
  write("y", y)
  if (kind == "exact") {
    one <- c(interval(x, NULL, confidence), number(p <- p_values(x, NULL, mu, exact = TRUE)))
    two <- c(interval(y, x, confidence), number(q <- p_values(y, x, margin, exact = TRUE)))
    greater <<- c(greater, p[2], q[2])
  } else {
    p <- q <- c("-", "-", "-")
    if (kind == "large") {
      p <- number(p_values(x, NULL, mu, exact = FALSE, correct = TRUE))
      q <- number(p_values(y, x, margin, exact = FALSE, correct = TRUE))
    }
    one <- c(number(walsh(x)), "-", "-", p)
    two <- c(number(median(outer(y, x, "-"))), "-", "-", q)
  }
  words("one", one)
  words("two", two)
}

for (i in 1:1000) {
  kind <- sample(names(draw), 1)
  digits <- if (i %% 10 == 0) NA else 6
  if (kind == "near" && !is.na(digits)) digits <- 8
  repeat {
    x <- make(sample(6:60, 1), kind, digits)
    y <- make(sample(6:60, 1), kind, digits)
    mu <- if (kind == "near") 1000 else sample(c(0, 0.01, 0.02, 0.05), 1)
    margin <- sample(c(0, 0.01, 0.05), 1)
    if (untied(x, y, mu, margin)) break
  }
  emit("exact", x, y, sample(c(0.95, 0.95, 0.9, 0.99), 1), mu, margin)
  if (i %% 10 == 0) {
    words("holm", length(greater), paste(number(p.adjust(greater, "holm")), collapse = " "))
    greater <- c()
  }
}
for (i in 1:50)
  emit("tied", make(sample(6:60, 1), "normal", 1), make(sample(6:60, 1), "normal", 1), 0.95, 0.02, 0)
for (i in 1:40) {
  digits <- if (i %% 2 == 0) 2 else 7
  emit("large", make(sample(75:150, 1), "normal", digits), make(sample(75:150, 1), "heavy", digits),
       0.95, 0.02, 0.01)
}
